import { DiscardPolicy } from '@nats-io/jetstream';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { JetStreamConnection, NoStreamError, StreamIndex } from '@slipstream/jetstream';
import { listSetAside, OutboxPartitions, OutboxReconciler, republish, requeue } from '@slipstream/outbox';
import { natsUrl, waitFor } from '@slipstream/testing';
import { OutboxScene } from './harness.js';

const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;

describe('repair', () => {
  let scene: OutboxScene;
  let stream: string;

  beforeEach(async () => {
    scene = await OutboxScene.open();
    stream = await scene.addStream({ allow_atomic: true });
  });

  afterEach(async () => {
    await scene.close();
  });

  const isEmpty = async () => (await scene.pending()) === 0;
  const publish = async (...ids: string[]) => {
    await scene.append(...ids.map((id) => scene.message(id, { aggregateId: 'a' })));
    await scene.relay().relayBatch();
  };
  const loseStream = async () => {
    await scene.manager.streams.delete(stream);
    await scene.addStream({ allow_atomic: true });
  };
  const anHourAgo = () => new Date(Date.now() - HOUR_MS);

  describe('of a lost stream', () => {
    it('publishes everything again, with its ids, in order and before what is new', async () => {
      const ids = Array.from({ length: 1_100 }, (_, index) => `m${index}`);
      await scene.append(...ids.map((id) => scene.message(id, { aggregateId: 'a' })));
      scene.startRelay();
      await waitFor('all marks', isEmpty);
      await loseStream();
      const repairing = republish(scene.dataSource, scene.publisher, { since: anHourAgo() });
      expect(await repairing).toEqual({ events: { [`${scene.root}.events`]: 1_100 }, published: 1_100 });
      await scene.append(scene.message('new', { aggregateId: 'a' }));
      await waitFor('the relay to go on', isEmpty);
      expect(await scene.stored()).toEqual([...ids, 'new']);
    });

    it('only counts in a dry run', async () => {
      await publish('1', '2');
      await scene.append('waiting');
      await loseStream();
      const request = { since: anHourAgo(), isDryRun: true };
      const report = await republish(scene.dataSource, scene.publisher, request);
      expect(report).toEqual({ events: { [`${scene.root}.events`]: 2 }, published: 0 });
      expect(await scene.stored()).toEqual([]);
    });

    it('leaves out what is older, of other subjects, or not published yet', async () => {
      await publish('old', 'young');
      await scene.dataSource.query(
        `UPDATE outbox SET created_at = now() - interval '2 hours' WHERE message_id = 'old'`,
      );
      await scene.append(scene.message('other', { subject: `${scene.root}.others` }));
      await scene.relay().relayBatch();
      await scene.append('waiting');
      await loseStream();
      const matches = (subject: string) => subject.endsWith('.events');
      await republish(scene.dataSource, scene.publisher, { since: anHourAgo(), matches });
      expect(await scene.stored()).toEqual(['young']);
    });

    const sessions = (columns: string): Promise<Record<string, unknown>[]> =>
      scene.dataSource.query(
        `SELECT ${columns} FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted
         AND datname = current_database()`,
      );
    const refused = () => ({
      mode: 'singles' as const,
      acks: [new NoStreamError('refused', { subject: scene.root })],
    });

    it('keeps the relays waiting for as long as the broker is silent', async () => {
      await publish('1');
      const others = [
        'Date',
        'nextTick',
        'performance',
        'queueMicrotask',
        'setImmediate',
        'setTimeout',
      ] as const;
      jest.useFakeTimers({ doNotFake: [...others, 'clearImmediate', 'clearTimeout', 'hrtime'] });
      const publishBatch = async () => {
        const [{ since }] = (await sessions('query_start::text AS since')) as [{ since: string }];
        jest.advanceTimersByTime(30_000);
        await waitFor(
          'a sign of life',
          async () => (await sessions(`query_start > '${since}' AS is_alive`))[0]?.['is_alive'],
        );
        throw new Error('it has heard one');
      };
      try {
        const repairing = republish(scene.dataSource, { publishBatch }, { since: anHourAgo() });
        await expect(repairing).rejects.toThrow('it has heard one');
      } finally {
        jest.useRealTimers();
      }
    });

    it('publishes nothing more when it has lost its session', async () => {
      await publish('1');
      const publishBatch = jest.fn(async () => {
        await sessions('pg_terminate_backend(pid)');
        return refused();
      });
      const repairing = republish(scene.dataSource, { publishBatch }, { since: anHourAgo() });
      await expect(repairing).rejects.toThrow(/terminat|connection/i);
      expect(publishBatch).toHaveBeenCalledTimes(1);
    });

    it('stores nothing twice that the stream still has', async () => {
      await publish('1', '2', '3');
      await republish(scene.dataSource, scene.publisher, { since: anHourAgo() });
      expect(await scene.stored()).toEqual(['1', '2', '3']);
    });
  });

  describe('of rows that were set aside', () => {
    it('publishes them when they are put back after the limit was raised', async () => {
      await scene.manager.streams.update(stream, { max_msg_size: 1_000 });
      await scene.append(scene.message('large', { data: Buffer.alloc(2_000) }), 'small');
      await scene.relay().relayBatch();
      const [event] = await listSetAside(scene.dataSource);
      expect(event).toMatchObject({ messageId: 'large', code: 'JS_MESSAGE_TOO_LARGE' });
      await scene.manager.streams.update(stream, { max_msg_size: -1 });
      expect(await requeue(scene.dataSource, [event?.id ?? 0, 999])).toBe(1);
      await scene.relay().relayBatch();
      expect(await scene.stored()).toEqual(['small', 'large']);
      expect(await listSetAside(scene.dataSource)).toEqual([]);
    });
  });

  describe('of days that need not be kept', () => {
    it('leaves out what was published, also when a row that was set aside keeps its day; that one can be put back', async () => {
      const partitions = new OutboxPartitions(scene.dataSource, 7 * DAY_MS);
      const at = new Date(Date.now() - 20 * DAY_MS);
      await partitions.maintain(at.getTime());
      await scene.appendAt(at, 'published', 'bad');
      await scene.dataSource.query(`UPDATE outbox SET headers = 'x: y' WHERE message_id = 'bad'`);
      await scene.relay().relayBatch();
      await partitions.maintain();
      expect(await republish(scene.dataSource, scene.publisher, { since: at, isDryRun: true })).toEqual({
        events: {},
        published: 0,
      });
      await scene.dataSource.query(`UPDATE outbox SET headers = '{}' WHERE message_id = 'bad'`);
      const [event] = await listSetAside(scene.dataSource);
      expect(await requeue(scene.dataSource, [event?.id ?? 0])).toBe(1);
      await scene.relay().relayBatch();
      expect(await scene.stored()).toEqual(['published', 'bad']);
    });
  });

  describe('by the reconciler', () => {
    let connection: JetStreamConnection;
    let reconciler: OutboxReconciler;

    beforeEach(async () => {
      connection = await JetStreamConnection.open({ servers: natsUrl() }, 1);
      reconciler = new OutboxReconciler(scene.dataSource, scene.publisher, new StreamIndex(connection));
    });

    afterEach(async () => {
      await connection.onApplicationShutdown();
    });

    const reconcile = (mustRepair: boolean) =>
      reconciler.reconcile({ since: anHourAgo(), until: new Date(Date.now() + HOUR_MS), mustRepair });

    it('finds nothing missing where everything is', async () => {
      const ids = Array.from({ length: 1_500 }, (_, index) => `m${index}`);
      await scene.append(...ids);
      scene.startRelay();
      await waitFor('all marks', isEmpty);
      await scene.append(scene.message('waiting', { subject: `${scene.root.slice(1)}.nowhere` }));
      expect(await reconcile(true)).toEqual({ compared: 1_500, missing: [], repaired: 0, unknown: 0 });
      expect(await scene.stored()).toHaveLength(1_500);
    });

    it('reports what was deleted, and publishes it again when it must', async () => {
      await publish('1', '2', '3', '4');
      await scene.manager.streams.deleteMessage(stream, 2);
      await scene.manager.streams.deleteMessage(stream, 4);
      expect(await reconcile(false)).toEqual({ compared: 4, missing: ['2', '4'], repaired: 0, unknown: 0 });
      // Within its duplicate window the stream takes no id twice, not even a deleted one; the window ends with it.
      const config = (await scene.manager.streams.info(stream)).config;
      await scene.manager.streams.update(stream, { ...config, duplicate_window: 100_000_000 });
      await waitFor('the repair', async () => {
        await reconcile(true);
        return (await scene.stored()).length === 4;
      });
      // In either order: the window of the one may end while it is sent again, and that of the other just before.
      expect((await scene.stored()).slice(2).toSorted()).toEqual(['2', '4']);
    });

    it('takes for missing nothing that the stream let go of as it is configured to', async () => {
      await publish('1', '2', '3');
      await scene.manager.streams.update(stream, { max_msgs: 2, discard: DiscardPolicy.Old });
      await waitFor('the oldest to go', async () => (await scene.stored()).length === 2);
      expect(await reconcile(true)).toMatchObject({ missing: [], repaired: 0 });
    });

    it('says nothing of events whose stream cannot be read', async () => {
      await publish('1', '2');
      await scene.manager.streams.delete(stream);
      expect(await reconcile(true)).toEqual({ compared: 2, missing: [], repaired: 0, unknown: 2 });
    });
  });
});
