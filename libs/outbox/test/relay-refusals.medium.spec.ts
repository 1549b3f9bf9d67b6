import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { OutboxRows, type Exclusion, type OutboxRow, type RelaySession } from '@slipstream/outbox';
import { waitFor } from '@slipstream/testing';
import { OutboxScene } from './harness.js';

/** Remembers every row that was read. */
class RecordedRows extends OutboxRows {
  readonly ids: number[] = [];

  override async read(session: RelaySession, exclusion: Exclusion): Promise<OutboxRow[]> {
    const rows = await super.read(session, exclusion);
    this.ids.push(...rows.map(({ id }) => id));
    return rows;
  }
}

describe('the relay, after a refusal,', () => {
  let scene: OutboxScene;

  beforeEach(async () => {
    scene = await OutboxScene.open();
  });

  afterEach(async () => {
    await scene.close();
  });

  const isEmpty = async () => (await scene.pending()) === 0;

  it('reads no row again after one of its batch was set aside', async () => {
    await scene.addStream({ allow_atomic: true });
    const ids = Array.from({ length: 1_200 }, (_, index) => `m${index}`);
    await scene.append(scene.message('poison', { subject: 'a..b' }), ...ids);
    const rows = new RecordedRows();
    scene.startRelay({ rows });
    await waitFor('all marks', isEmpty);
    expect(rows.ids).toEqual([...new Set(rows.ids)]);
    expect(await scene.stored()).toHaveLength(1_200);
  });

  it('does not hold back, when it leads again, what another process published meanwhile', async () => {
    const relay = scene.relay();
    await scene.append(scene.message('a1', { aggregateId: 'a' }));
    await relay.relayBatch();
    await scene.addStream({ allow_atomic: true });
    await scene.relay().relayBatch();
    await scene.append(scene.message('a2', { aggregateId: 'a' }), 'b1');
    relay.onApplicationBootstrap();
    try {
      await waitFor('all marks', isEmpty);
    } finally {
      await relay.beforeApplicationShutdown();
    }
    expect(await scene.stored()).toEqual(['a1', 'a2', 'b1']);
  });

  it('holds an aggregate back behind its refused event, and nobody else', async () => {
    await scene.addStream({ subjects: [`${scene.root}.events`], allow_atomic: true });
    const nowhere = `${scene.root}.later`;
    await scene.append(
      scene.message('a1', { aggregateId: 'a' }),
      scene.message('a2', { aggregateId: 'a', subject: nowhere }),
      scene.message('a3', { aggregateId: 'a' }),
      scene.message('b1', { aggregateId: 'b' }),
    );
    scene.startRelay();
    await waitFor('the others', async () => (await scene.stored()).length === 2);
    await scene.append(scene.message('a4', { aggregateId: 'a' }), scene.message('c1', { aggregateId: 'c' }));
    await waitFor('the next', async () => (await scene.stored()).includes('c1'));
    expect((await scene.stored()).toSorted()).toEqual(['a1', 'b1', 'c1']);
    await scene.addStream({ name: `${scene.root}LATER`.toUpperCase(), subjects: [nowhere] });
    await waitFor('the rest', isEmpty);
    expect((await scene.stored()).filter((id) => id.startsWith('a'))).toEqual(['a1', 'a3', 'a4']);
    expect(await scene.stored(`${scene.root}LATER`.toUpperCase())).toEqual(['a2']);
  });

  it.each([
    ['too large', { data: Buffer.alloc(2 * 1_024 * 1_024) }, 'JS_MESSAGE_TOO_LARGE'],
    ['of a header with a line break', { headers: { evil: 'a\r\nNats-Rollup: all' } }, 'JS_INVALID_HEADER'],
    ['of an invalid subject', { subject: 'a..b' }, 'JS_INVALID_MESSAGE'],
    [
      'refused for a reason that PostgreSQL cannot store',
      { headers: { 'Nats-\0': '' } },
      'JS_INVALID_HEADER',
    ],
    ['refused for a reason too long to read', { subject: 'a..b'.repeat(10_000) }, 'JS_INVALID_MESSAGE'],
  ])('sets a row aside that is %s, with its reason, and goes on', async (_, fields, code) => {
    await scene.addStream({ allow_atomic: true });
    await scene.append(scene.message('poison', { aggregateId: 'a', ...fields }));
    await scene.append(scene.message('next', { aggregateId: 'a' }), 'other');
    await scene.relay().relayBatch();
    expect(await scene.stored()).toEqual(['next', 'other']);
    expect(await scene.pending()).toBe(0);
    const [{ reason, ...event }, ...rest] = await scene.dataSource.query(
      'SELECT aggregate_id, code, reason FROM outbox_set_aside',
    );
    expect([event, ...rest]).toEqual([{ aggregate_id: 'a', code }]);
    expect(reason.length).toBeLessThanOrEqual(1_000);
  });

  it('sets a row aside whose headers somebody wrote by hand and that are no JSON, and goes on', async () => {
    await scene.addStream({ allow_atomic: true });
    await scene.append('poison', 'other');
    await scene.dataSource.query(`UPDATE outbox SET headers = 'x: y' WHERE message_id = 'poison'`);
    await scene.relay().relayBatch();
    expect(await scene.stored()).toEqual(['other']);
    expect(await scene.pending()).toBe(0);
    expect(await scene.dataSource.query('SELECT aggregate_id, reason FROM outbox_set_aside')).toEqual([
      { aggregate_id: 'poison', reason: 'the headers are no JSON' },
    ]);
  });

  it('sets a row aside that only the stream finds too large', async () => {
    await scene.addStream({ allow_atomic: true, max_msg_size: 1_000 });
    const large = { aggregateId: 'a', data: Buffer.alloc(2_000) };
    await scene.append(
      scene.message('first', { aggregateId: 'a' }),
      scene.message('poison', large),
      scene.message('next', { aggregateId: 'a' }),
    );
    await scene.relay().relayBatch();
    expect(await scene.stored()).toEqual(['first', 'next']);
    expect(await scene.pending()).toBe(0);
  });
});
