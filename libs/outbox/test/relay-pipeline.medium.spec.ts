import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NoStreamError, type BatchReceipt, type OutgoingMessage } from '@slipstream/jetstream';
import {
  OutboxRows,
  type Exclusion,
  type IdRange,
  type OutboxPublisher,
  type OutboxRow,
  type RelaySession,
} from '@slipstream/outbox';
import { waitFor } from '@slipstream/testing';
import { OutboxScene } from './harness.js';

/** Knows what is underway at each moment, and lets the answer to each batch wait. */
class WatchedPublisher implements OutboxPublisher {
  readonly underway: (readonly OutgoingMessage[])[] = [];
  mostUnderway = 0;
  /** Order keys that were sent while an earlier batch held them. */
  readonly overlapping: string[] = [];

  constructor(
    private readonly publisher: OutboxPublisher,
    private readonly answer: (receipt: BatchReceipt, batch: number) => Promise<BatchReceipt>,
  ) {}

  private batches = 0;

  async publishBatch(messages: readonly OutgoingMessage[]): Promise<BatchReceipt> {
    const known = new Set(this.underway.flat().map(({ orderKey }) => orderKey));
    for (const { orderKey = '' } of messages) if (known.has(orderKey)) this.overlapping.push(orderKey);
    this.underway.push(messages);
    this.mostUnderway = Math.max(this.mostUnderway, this.underway.length);
    const batch = this.batches++;
    try {
      return await this.answer(await this.publisher.publishBatch(messages), batch);
    } finally {
      this.underway.splice(this.underway.indexOf(messages), 1);
    }
  }
}

/** Counts the ranges that are marked by a statement of their own, as before a pause, and not by the one that reads on. */
class PausesRows extends OutboxRows {
  markedBeforePause = 0;

  override markPublished(session: RelaySession, ids: readonly IdRange[]): Promise<void> {
    this.markedBeforePause += ids.length;
    return super.markPublished(session, ids);
  }
}

describe('the relay, batch by batch,', () => {
  let scene: OutboxScene;

  beforeEach(async () => {
    scene = await OutboxScene.open();
    await scene.addStream({ allow_atomic: true });
  });

  afterEach(async () => {
    await scene.close();
  });

  const isEmpty = async () => (await scene.pending()) === 0;
  const aggregateOf = (id: string) => id.split('-')[0] ?? '';
  const appendAll = (ids: readonly string[]) =>
    scene.append(...ids.map((id) => scene.message(id, { aggregateId: aggregateOf(id) })));

  it('sends full batches while those before are not acknowledged, four at most', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const publisher = new WatchedPublisher(scene.publisher, async (receipt, batch) => {
      if (batch === 0) await gate;
      return receipt;
    });
    await appendAll(Array.from({ length: 6_400 }, (_, index) => `a${index}-0`));
    scene.startRelay({ publisher });
    await waitFor('the fourth batch', async () => (await scene.stored()).length === 4_000);
    open();
    await waitFor('all marks', isEmpty);
    expect(await scene.stored()).toHaveLength(6_400);
    expect(publisher.mostUnderway).toBe(4);
  });

  it('reads an event that became visible between two that are underway, as soon as they are marked', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const publisher = new WatchedPublisher(scene.publisher, async (receipt, batch) => {
      if (batch === 0) await gate;
      return receipt;
    });
    const readWith: string[][] = [];
    class WatchedRows extends OutboxRows {
      override async read(session: RelaySession, exclusion: Exclusion): Promise<OutboxRow[]> {
        const rows = await super.read(session, exclusion);
        if (exclusion.published.length === 2) readWith.push(rows.map(({ messageId }) => messageId));
        return rows;
      }
    }
    await scene.dataSource.transaction(async (late) => {
      await appendAll(['a-0']);
      await scene.outbox.append(late, [scene.message('b-0')]);
      await appendAll(['c-0']);
      scene.startRelay({ publisher, rows: new WatchedRows() });
      await waitFor('both', async () => (await scene.stored()).length === 2);
    });
    open();
    await waitFor('all marks', isEmpty);
    expect(readWith).toEqual([['b-0']]);
    expect(await scene.stored()).toEqual(['a-0', 'c-0', 'b-0']);
  });

  it('publishes all that lies between what was published before', async () => {
    const ids = Array.from({ length: 3_000 }, (_, index) => `a${index}-0`);
    await appendAll(ids);
    await scene.dataSource.query('DELETE FROM outbox_pending WHERE id % 2 = 1');
    scene.startRelay();
    await waitFor('all marks', isEmpty);
    const between = ids.filter((_, index) => index % 2 === 1);
    expect((await scene.stored()).toSorted()).toEqual(between.toSorted());
  });

  it('sends no event of an aggregate while an earlier batch with one is underway', async () => {
    const publisher = new WatchedPublisher(scene.publisher, (receipt) => Promise.resolve(receipt));
    const ids = Array.from({ length: 4_000 }, (_, index) => `a${(index * 7) % 1_100}-${index}`);
    await appendAll(ids);
    scene.startRelay({ publisher });
    await waitFor('all marks', isEmpty);
    expect(publisher.overlapping).toEqual([]);
    expect(publisher.mostUnderway).toBe(2);
    const byAggregate = (list: readonly string[]) => Object.groupBy(list, aggregateOf);
    expect(byAggregate(await scene.stored())).toEqual(byAggregate(ids));
  });

  it('publishes one aggregate alone without a pause between batches', async () => {
    const publisher = new WatchedPublisher(scene.publisher, (receipt) => Promise.resolve(receipt));
    const ids = Array.from({ length: 3_000 }, (_, index) => `a-${index}`);
    await appendAll(ids);
    const rows = new PausesRows();
    scene.startRelay({ publisher, rows });
    await waitFor('all marks', isEmpty);
    expect(rows.markedBeforePause).toBe(0);
    expect(publisher.mostUnderway).toBe(1);
    expect(await scene.stored()).toEqual(ids);
  });

  it('lets nothing overtake an event that is refused while the next batch is underway', async () => {
    const second = Promise.withResolvers<void>();
    const publisher = new WatchedPublisher(scene.publisher, async (receipt, batch) => {
      if (batch === 1) second.resolve();
      if (batch !== 0) return receipt;
      await second.promise;
      return { ...receipt, acks: receipt.acks.map((ack, index) => (index === 3 ? refusal : ack)) };
    });
    const refusal = new NoStreamError('no stream answered', { subject: `${scene.root}.events` });
    const sent: string[] = [];
    const spied: OutboxPublisher = {
      publishBatch: (messages) => {
        sent.push(
          ...messages.flatMap(({ orderKey, messageId = '' }) => (orderKey === 'a3' ? [messageId] : [])),
        );
        return publisher.publishBatch(messages);
      },
    };
    const first = Array.from({ length: 2_000 }, (_, index) => `a${index}-0`);
    await appendAll([...first, 'a3-1']);
    scene.startRelay({ publisher: spied });
    await waitFor('all marks', isEmpty);
    expect(sent).toEqual(['a3-0', 'a3-0', 'a3-1']);
  });

  it('marks a batch that was stored although the one after it failed as a whole', async () => {
    let isBroken = true;
    const publisher: OutboxPublisher = {
      publishBatch: (messages) =>
        isBroken && messages.some(({ messageId }) => messageId === 'a1400-0')
          ? Promise.reject(new Error('a defect'))
          : scene.publisher.publishBatch(messages),
    };
    await appendAll(Array.from({ length: 1_600 }, (_, index) => `a${index}-0`));
    scene.startRelay({ publisher });
    await waitFor('the marks of the first batch', async () => (await scene.pending()) === 600, 10_000);
    isBroken = false;
    await waitFor('all marks', isEmpty);
    expect(await scene.stored()).toHaveLength(1_600);
  });

  it('asks for nothing while a small batch is underway, and marks it as it reads on', async () => {
    const reads: Exclusion[] = [];
    class CountedRows extends OutboxRows {
      override read(session: RelaySession, exclusion: Exclusion): Promise<OutboxRow[]> {
        reads.push(exclusion);
        return super.read(session, exclusion);
      }
    }
    scene.startRelay({ rows: new CountedRows() });
    for (const id of ['a-1', 'b-1', 'a-2']) {
      await appendAll([id]);
      await waitFor('its mark', isEmpty);
    }
    expect(reads.filter(({ ids }) => ids.length > 0)).toEqual([]);
    expect(reads.filter(({ published }) => published.length > 0)).toHaveLength(3);
  });

  it('plans what it reads once, whatever it leaves out', async () => {
    let plans = { custom: 0, generic: 0 };
    class PlannedRows extends OutboxRows {
      override async read(session: RelaySession, exclusion: Exclusion): Promise<OutboxRow[]> {
        const rows = await super.read(session, exclusion);
        const [row] = await session.query<[number, number]>(
          'plans',
          `SELECT custom_plans::int, generic_plans::int FROM pg_prepared_statements WHERE name = 'outbox_read'`,
        );
        if (row) plans = { custom: row[0], generic: row[1] };
        return rows;
      }
    }
    scene.startRelay({ rows: new PlannedRows() });
    for (let n = 0; plans.generic + plans.custom < 10; n++) {
      await appendAll([`a-${n}`]);
      await waitFor('its mark', isEmpty);
    }
    expect(plans.custom).toBe(0);
  });

  it.each(['new', 'emptied'])(
    'finds what it reads and marks by ids, also when its tables are %s',
    async (state) => {
      const plans: string[] = [];
      let compiles = '';
      class ExplainedRows extends OutboxRows {
        override async read(session: RelaySession, exclusion: Exclusion): Promise<OutboxRow[]> {
          const rows = await super.read(session, exclusion);
          await this.markPublished(session, [[0, 0]]);
          compiles = String(await session.query('jit', 'SHOW jit'));
          for (const call of [`outbox_read('{}', '{}', '{}')`, `outbox_mark('{}')`]) {
            const lines = await session.query<[string]>(`explain_${plans.length}`, `EXPLAIN EXECUTE ${call}`);
            plans.push(lines.join('\n'));
          }
          return rows;
        }
      }
      if (state === 'emptied') {
        await appendAll(Array.from({ length: 3_000 }, (_, index) => `a${index}-0`));
        await scene.dataSource.query('DELETE FROM outbox_pending');
        await scene.dataSource.query('VACUUM ANALYZE outbox, outbox_pending');
      }
      scene.startRelay({ rows: new ExplainedRows() });
      await waitFor('both plans', () => Promise.resolve(plans.length >= 2));
      const byIds = String.raw`_pkey on \S+( \S+)? +\(.*\)\s+Index Cond: \(\(id >= `;
      expect(plans[0]).toMatch(new RegExp(`outbox_pending${byIds}[^]*outbox_\\d+${byIds}`));
      expect(compiles).toBe('off');
      expect(plans[1]).toMatch(new RegExp(`outbox_pending${byIds}`));
      expect(plans.join()).not.toMatch(/Seq Scan|Bitmap|Hash Join|Merge Join|Materialize|created_at_id_idx/);
    },
  );
});
