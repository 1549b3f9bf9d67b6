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
});
