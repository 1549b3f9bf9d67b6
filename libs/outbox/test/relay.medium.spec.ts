import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  OutboxRelay,
  OutboxRows,
  type Exclusion,
  type OutboxRow,
  type RelaySession,
} from '@slipstream/outbox';
import { natsUrl, waitFor } from '@slipstream/testing';
import { startNatsServer } from '../../jetstream/test/nats-server.js';
import { openDataSource, OutboxScene, Road } from './harness.js';

/** What a relay must not do. */
class FollowingRows extends OutboxRows {
  private last = 0;

  override async read(session: RelaySession, exclusion: Exclusion): Promise<OutboxRow[]> {
    const rows = (await super.read(session, exclusion)).filter(({ id }) => id > this.last);
    this.last = rows.at(-1)?.id ?? this.last;
    return rows;
  }
}

describe('the relay', () => {
  let scene: OutboxScene;

  beforeEach(async () => {
    scene = await OutboxScene.open();
  });

  afterEach(async () => {
    await scene.close();
  });

  const isEmpty = async () => (await scene.pending()) === 0;

  it('publishes what was committed, with its id, headers and bytes, and nothing that was rolled back', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    const data = Buffer.from([0, 255, 10]);
    await scene.append(scene.message('kept', { data, headers: { 'ce-id': 'é"\\' } }));
    await expect(
      scene.dataSource.transaction(async (tx) => {
        await scene.outbox.append(tx, [scene.message('lost')]);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    expect(await scene.relay().relayBatch()).toBe(1);
    expect(await scene.stored()).toEqual(['kept']);
    const message = await scene.manager.streams.getMessage(stream, { seq: 1 });
    expect(Buffer.from(message?.data ?? [])).toEqual(data);
    expect(message?.header.get('ce-id')).toBe('é"\\');
  });

  it('publishes each row once, in the order of appending', async () => {
    await scene.addStream({ allow_atomic: true });
    const ids = Array.from({ length: 1_200 }, (_, index) => `m${index}`);
    await scene.append(...ids.map((id) => scene.message(id, { aggregateId: 'one' })));
    scene.startRelay();
    await waitFor('all marks', isEmpty);
    expect(await scene.stored()).toEqual(ids);
  });

  it('publishes in the order of ids, whatever the times of their transactions and the partitions they lie in', async () => {
    await scene.addStream({ allow_atomic: true });
    const days = [0, -9, 1, -9, 2, 0];
    const ids = days.map((_, index) => `m${index}`);
    for (const [index, day] of days.entries()) {
      await scene.appendAt(new Date(Date.now() + day * 86_400_000), ids[index] ?? '');
    }
    expect(await scene.relay().relayBatch()).toBe(6);
    expect(await scene.stored()).toEqual(ids);
  });

  it('does not skip a row whose transaction commits after that of a later row', async () => {
    await scene.addStream({ allow_atomic: true });
    scene.startRelay();
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: appended, resolve: onAppended } = Promise.withResolvers<void>();
    const slow = scene.dataSource.transaction(async (tx) => {
      await scene.outbox.append(tx, [scene.message('slow')]);
      onAppended();
      await gate;
    });
    await appended;
    for (let index = 0; index < 5; index++) {
      await scene.append(`fast${index}`);
      await waitFor('it to be published', async () => (await scene.stored()).length === index + 1);
    }
    open();
    await slow;
    await waitFor('the late row', async () => (await scene.stored()).at(-1) === 'slow');
  });

  it('would skip such a row if it followed the ids', async () => {
    await scene.addStream({ allow_atomic: true });
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: appended, resolve: onAppended } = Promise.withResolvers<void>();
    const slow = scene.dataSource.transaction(async (tx) => {
      await scene.outbox.append(tx, [scene.message('slow')]);
      onAppended();
      await gate;
    });
    await appended;
    await scene.append('fast');
    const relay = scene.relay({ rows: new FollowingRows() });
    await relay.relayBatch();
    open();
    await slow;
    await relay.relayBatch();
    expect(await scene.stored()).toEqual(['fast']);
    expect(await scene.relay().relayBatch()).toBe(1);
    expect(await scene.stored()).toEqual(['fast', 'slow']);
  });

  it('keeps the order of an aggregate when the batch is refused for one duplicate', async () => {
    await scene.addStream({ allow_atomic: true });
    const ids = Array.from({ length: 60 }, (_, index) => `m${index}`);
    await scene.publisher.publish(scene.message('m1'));
    await scene.append(...ids.map((id, index) => scene.message(id, { aggregateId: `${index % 2}` })));
    await scene.relay().relayBatch();
    const stored = await scene.stored();
    expect(stored.toSorted()).toEqual(ids.toSorted());
    const even = stored.filter((id) => Number(id.slice(1)) % 2 === 0);
    expect(even).toEqual(ids.filter((_, index) => index % 2 === 0));
    expect(await scene.pending()).toBe(0);
  });

  it('lets one process relay and another one take over when its connection ends', async () => {
    await scene.addStream({ allow_atomic: true });
    const other = await openDataSource((scene.dataSource.options as { url: string }).url);
    try {
      scene.startRelay();
      const holders = () =>
        scene.dataSource.query<{ pid: number }[]>(
          `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        );
      const [first] = await waitFor('a holder', async () => {
        const found = await holders();
        return found.length === 1 && found;
      });
      scene.startRelay();
      await scene.append('before');
      await waitFor('it to be published', isEmpty);
      await other.query('SELECT pg_terminate_backend($1)', [first?.pid]);
      await scene.append('after');
      await waitFor('it to be published', isEmpty);
      expect(await scene.stored()).toEqual(['before', 'after']);
      expect((await holders())[0]?.pid).not.toBe(first?.pid);
    } finally {
      await other.destroy();
    }
  });

  it('is woken by a commit of another process, long before its next poll', async () => {
    await scene.addStream({ allow_atomic: true });
    scene.startRelay();
    await scene.append('warm-up');
    await waitFor('it', isEmpty);
    // It has not got the lock, and tells the first of what its process commits.
    const dataSource = await openDataSource((scene.dataSource.options as { url: string }).url);
    try {
      dataSource.subscribers.push(new OutboxRelay(dataSource, scene.publisher));
      const waits: number[] = [];
      for (let index = 0; index < 5; index++) {
        const startedAt = performance.now();
        await dataSource.transaction((tx) => scene.outbox.append(tx, [scene.message(`m${index}`)]));
        await waitFor('it', isEmpty);
        waits.push(performance.now() - startedAt);
      }
      // Polling alone would take half an interval on average.
      expect(waits.toSorted((a, b) => a - b)[2]).toBeLessThan(200);
    } finally {
      await dataSource.destroy();
    }
  });

  it('is woken by what was appended in a transaction of its own', async () => {
    await scene.addStream({ allow_atomic: true });
    scene.startRelay();
    await scene.append('warm-up');
    await waitFor('it', isEmpty);
    const waits: number[] = [];
    for (let index = 0; index < 5; index++) {
      const startedAt = performance.now();
      await scene.outbox.appendAlone(scene.dataSource, [scene.message(`m${index}`)]);
      await waitFor('it', isEmpty);
      waits.push(performance.now() - startedAt);
    }
    // Polling alone would take half an interval on average.
    expect(waits.toSorted((a, b) => a - b)[2]).toBeLessThan(200);
  });

  it('loses and reorders nothing while two relays race and their connections are cut', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    const relays = [scene.startRelay(), scene.startRelay()];
    const rivals = setInterval(
      () => void Promise.all(relays.map((relay) => relay.relayBatch())).catch(() => undefined),
      40,
    );
    const cut = setInterval(
      () =>
        void scene.dataSource
          .query(
            `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
          )
          .catch(() => undefined),
      150,
    );
    const expected: Record<string, string[]> = {};
    try {
      for (let round = 0; round < 100; round++) {
        const batch = Array.from({ length: 20 }, (_, index) => ({
          aggregateId: `a${index % 7}`,
          id: `${round}-${index}`,
        }));
        await scene.append(...batch.map(({ aggregateId, id }) => scene.message(id, { aggregateId })));
        for (const { aggregateId, id } of batch) (expected[aggregateId] ??= []).push(id);
      }
    } finally {
      clearInterval(cut);
      clearInterval(rivals);
    }
    await waitFor('all to be published', isEmpty);
    const stored = await scene.stored(stream);
    expect(stored).toHaveLength(2_000);
    for (const ids of Object.values(expected)) {
      const known = new Set(ids);
      expect(stored.filter((id) => known.has(id))).toEqual(ids);
    }
  });
});

describe('the relay and its broker', () => {
  it('goes on where it stopped after the broker was away, in order', async () => {
    const road = await Road.to(natsUrl());
    const scene = await OutboxScene.open(road.url);
    try {
      const stream = await scene.addStream({ allow_atomic: true });
      scene.startRelay();
      await scene.append('0');
      await waitFor('the first', async () => (await scene.pending()) === 0);
      road.block();
      const ids = Array.from({ length: 50 }, (_, index) => `${index + 1}`);
      for (const id of ids) await scene.append(scene.message(id, { aggregateId: 'a' }));
      expect(await scene.pending()).toBe(50);
      road.open();
      await waitFor('the rest', async () => (await scene.pending()) === 0);
      expect(await scene.stored(stream)).toEqual(['0', ...ids]);
    } finally {
      await scene.close();
      road.close();
    }
  });

  const legacy = process.env['NATS_LEGACY_SERVER_BIN'] ?? '';
  const describeLegacy = legacy === '' ? describe.skip : describe;
  describeLegacy('of an older version', () => {
    it('keeps the order without atomic batches', async () => {
      const server = await startNatsServer(legacy);
      const scene = await OutboxScene.open(server.url);
      try {
        await scene.addStream();
        const ids = Array.from({ length: 200 }, (_, index) => `m${index}`);
        await scene.append(...ids.map((id, index) => scene.message(id, { aggregateId: `${index % 3}` })));
        await scene.relay().relayBatch();
        const stored = await scene.stored();
        expect(stored).toHaveLength(200);
        for (let aggregate = 0; aggregate < 3; aggregate++) {
          const own = ids.filter((_, index) => index % 3 === aggregate);
          expect(stored.filter((id) => own.includes(id))).toEqual(own);
        }
      } finally {
        await scene.close();
        await server.stop();
      }
    });
  });
});
