import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { JetStreamConnection, StreamIndex, type StreamSearch } from '@slipstream/jetstream';
import { OutboxPartitions, OutboxReconciler, republish } from '@slipstream/outbox';
import { natsUrl, waitFor } from '@slipstream/testing';
import { openDataSource, OutboxScene } from './harness.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

describe('the reconciler, minute by minute,', () => {
  let scene: OutboxScene;
  let connection: JetStreamConnection;
  let index: StreamIndex;

  beforeEach(async () => {
    scene = await OutboxScene.open();
    connection = await JetStreamConnection.open({ servers: natsUrl() }, 1);
    index = new StreamIndex(connection);
  });

  afterEach(async () => {
    await connection.onApplicationShutdown();
    await scene.close();
  });

  const reconcilerOf = (streams: Pick<StreamIndex, 'search'> = index, dataSource = scene.dataSource) =>
    new OutboxReconciler(dataSource, scene.publisher, streams);
  const later = (minutes: number) => Date.now() + minutes * MINUTE_MS;
  const loseStream = async () => {
    await scene.manager.streams.delete(scene.root.toUpperCase());
    await scene.addStream({ allow_atomic: true });
  };
  const limited = (limit: string) => {
    const { url } = scene.dataSource.options as { url: string };
    return openDataSource(`${url}?options=${encodeURIComponent(`-c ${limit}`)}`);
  };

  it('compares again what it could not compare while the stream was gone', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    await scene.append('1', '2');
    await scene.relay().relayBatch();
    await scene.manager.streams.delete(stream);
    const reconciler = reconcilerOf();
    await reconciler.continue(later(10));
    await scene.addStream({ allow_atomic: true });
    await reconciler.continue(later(11));
    expect(await scene.stored()).toEqual(['1', '2']);
  });

  it('compares what waited for its stream once it was published', async () => {
    await scene.addStream({ allow_atomic: true });
    await scene.append('1', '2');
    const reconciler = reconcilerOf();
    await reconciler.continue(later(10));
    await scene.relay().relayBatch();
    await loseStream();
    await reconciler.continue(later(11));
    expect(await scene.stored()).toEqual(['1', '2']);
  });

  it('passes over nothing when the clock of its process is ahead of that of the database', async () => {
    await scene.addStream({ allow_atomic: true });
    const reconciler = reconcilerOf();
    const ahead = jest.spyOn(Date, 'now').mockReturnValue(later(10));
    await reconciler.continue();
    ahead.mockRestore();
    await scene.append('1');
    await scene.relay().relayBatch();
    await loseStream();
    await reconciler.continue(later(6));
    expect(await scene.stored()).toEqual(['1']);
  });

  it('looks back to what waits when it starts', async () => {
    await scene.addStream({ allow_atomic: true });
    await scene.append('1');
    const reconciler = reconcilerOf();
    await reconciler.continue(later(3 * 60));
    await scene.relay().relayBatch();
    await loseStream();
    await reconciler.continue(later(3 * 60 + 1));
    expect(await scene.stored()).toEqual(['1']);
  });

  it('repeats a repair that the broker refused', async () => {
    await scene.addStream({ allow_atomic: true });
    await scene.append('1');
    await scene.relay().relayBatch();
    await loseStream();
    let refusals = 1;
    const publisher = {
      publishBatch: ((messages) =>
        refusals-- > 0
          ? Promise.reject(new Error('refused'))
          : scene.publisher.publishBatch(messages)) as typeof scene.publisher.publishBatch,
    };
    const reconciler = new OutboxReconciler(scene.dataSource, publisher, index);
    await reconciler.continue(later(10));
    expect(await scene.stored()).toEqual([]);
    await reconciler.continue(later(11));
    expect(await scene.stored()).toEqual(['1']);
  });

  it('compares more events in a minute than it reads at a time, also of one transaction', async () => {
    await scene.addStream({ allow_atomic: true });
    await scene.dataSource.query(
      `INSERT INTO outbox (aggregate_id, message_id, subject, headers, data)
       SELECT 'a' || n, 'm' || n, $1, '{}', 'x' FROM generate_series(1, 10500) AS n`,
      [`${scene.root}.events`],
    );
    await reconcilerOf().continue(later(10));
    const { state } = await scene.manager.streams.info(scene.root.toUpperCase());
    expect(state.messages).toBe(10_500);
  });

  it('reads no message twice to find the events of one page after the other', async () => {
    await scene.addStream({ allow_atomic: true, allow_direct: true });
    await scene.append('1', '2');
    await scene.appendAt(new Date(later(0.9)), '3');
    while ((await scene.relay().relayBatch()) > 0);
    const searches: StreamSearch[] = [];
    const reconciler = reconcilerOf({
      search: (search) => {
        searches.push(search);
        return index.search(search);
      },
    });
    await reconciler.continue(later(5.5));
    await reconciler.continue(later(6.5));
    expect(searches.map(({ messageIds }) => messageIds)).toEqual([['1', '2'], ['3']]);
    expect(searches.map(({ from }) => from?.last.sequence)).toEqual([undefined, 3]);
  });

  it('misses no event that was stored before those which were appended earlier', async () => {
    await scene.addStream({ allow_atomic: true, allow_direct: true });
    await scene.appendAt(new Date(later(0.9)), 'late');
    await scene.append('early');
    await scene.relay().relayBatch();
    const missing = jest.fn();
    const reconciler = new OutboxReconciler(scene.dataSource, scene.publisher, index, { missing });
    await reconciler.continue(later(5.5));
    await reconciler.continue(later(6.5));
    expect(missing).not.toHaveBeenCalled();
  });

  it('publishes again what the stream lost after it had been compared, when it was published late', async () => {
    const stream = await scene.addStream({ allow_atomic: true, allow_direct: true });
    await scene.appendAt(new Date(later(-8)), '1', '2');
    while ((await scene.relay().relayBatch()) > 0);
    const missing = jest.fn();
    const reconciler = new OutboxReconciler(scene.dataSource, scene.publisher, index, { missing });
    await reconciler.continue(later(1));
    expect(missing).not.toHaveBeenCalled();
    await scene.manager.streams.delete(stream);
    await scene.addStream({ allow_atomic: true, allow_direct: true });
    await reconciler.continue(later(2));
    expect(missing.mock.calls).toEqual([[2]]);
    expect(await scene.stored()).toEqual(['1', '2']);
  });

  it('publishes again what the stream lost once more after that had been published again', async () => {
    await scene.addStream({ allow_atomic: true });
    await scene.append('1', '2');
    await scene.relay().relayBatch();
    const reconciler = reconcilerOf();
    for (const minutes of [10, 11]) {
      await loseStream();
      await reconciler.continue(later(minutes));
      expect(await scene.stored()).toEqual(['1', '2']);
    }
  });

  it('compares what was published late each minute until it has settled, and no more', async () => {
    await scene.addStream({ allow_atomic: true, allow_direct: true });
    await scene.appendAt(new Date(later(-8)), '1');
    while ((await scene.relay().relayBatch()) > 0);
    const search = jest.fn(index.search.bind(index));
    const missing = jest.fn();
    const reconciler = new OutboxReconciler(scene.dataSource, scene.publisher, { search }, { missing });
    const searches: number[] = [];
    for (let minute = 2; minute <= 7; minute++) {
      await reconciler.continue(later(minute));
      searches.push(search.mock.calls.length);
    }
    expect(searches).toEqual([1, 2, 3, 3, 3, 3]);
    expect(missing).not.toHaveBeenCalled();
    expect(await scene.stored()).toEqual(['1']);
  });

  it('lets one process compare at a time, although the server ends transactions that wait', async () => {
    await scene.addStream({ allow_atomic: true });
    await scene.append('1');
    await scene.relay().relayBatch();
    const dataSource = await limited('idle_in_transaction_session_timeout=100');
    let searches = 0;
    let isHeldStill = false;
    const streams: Pick<StreamIndex, 'search'> = {
      async search(search) {
        searches++;
        if (searches === 1) {
          await waitFor('the holder of the lock to be idle for longer than a transaction may', async () => {
            const holders = await scene.dataSource.query(
              `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted
               AND datname = current_database() AND state_change < clock_timestamp() - interval '200 ms'`,
            );
            return holders.length === 1;
          });
          isHeldStill = true;
          await reconcilerOf(streams).continue(later(10));
        }
        return index.search(search);
      },
    };
    try {
      await reconcilerOf(streams, dataSource).continue(later(10));
      expect(isHeldStill).toBe(true);
      expect(searches).toBe(1);
      await reconcilerOf(streams).continue(later(10));
      expect(searches).toBe(2);
    } finally {
      await dataSource.destroy();
    }
  });

  it('finds events by time in every partition without reading it whole', async () => {
    await new OutboxPartitions(scene.dataSource, 7 * DAY_MS).maintain(Date.now() + 30 * DAY_MS);
    const without = await scene.dataSource.query(
      `SELECT inhrelid::regclass AS partition FROM pg_inherits WHERE inhparent = 'outbox'::regclass
       AND NOT EXISTS (SELECT FROM pg_indexes WHERE tablename = inhrelid::regclass::text
         AND indexdef LIKE '%(created_at, id)')`,
    );
    expect(without).toEqual([]);
  });

  it('counts what is to be republished for longer than a statement may last', async () => {
    const stream = await scene.addStream({ allow_atomic: true });
    await scene.append('1');
    await scene.relay().relayBatch();
    await scene.manager.streams.purge(stream);
    const dataSource = await limited('statement_timeout=200');
    const runner = scene.dataSource.createQueryRunner();
    try {
      await runner.startTransaction();
      await runner.query('LOCK TABLE outbox');
      const request = { since: new Date(later(-60)), isDryRun: true };
      const counting = republish(dataSource, scene.publisher, request);
      counting.catch(() => undefined);
      await waitFor('it to wait for the table for longer than the limit', async () => {
        const waiting = await scene.dataSource.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
           AND query_start < clock_timestamp() - interval '400 ms'`,
        );
        return waiting.length === 1;
      });
      await runner.commitTransaction();
      expect(await counting).toMatchObject({ events: { [`${scene.root}.events`]: 1 } });
    } finally {
      await runner.release();
      await dataSource.destroy();
    }
  });
});
