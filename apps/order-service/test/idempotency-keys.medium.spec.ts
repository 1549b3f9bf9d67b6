import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { uniqueName, waitFor } from '@slipstream/testing';
import type { EntityManager } from 'typeorm';
import { createOrderDatabase, type OrderDatabase, type OrderProcess } from './harness.js';

const DAY_MS = 86_400_000;

let database: OrderDatabase;
let orderProcess: OrderProcess;

const claimsOf = (orderId: string, ...keys: string[]) =>
  keys.map((key) => ({ key, orderId, fingerprint: 'f' }));

/** A key of an order that housekeeping is about to forget. */
async function oldKey(orderId: string): Promise<string> {
  const { dataSource, keys } = orderProcess;
  const key = uniqueName('key');
  await dataSource.transaction((tx) => keys.claim(tx, claimsOf(orderId, key)));
  await dataSource.query(
    `UPDATE idempotency_keys SET created_at = now() - interval '2 days' WHERE key = $1`,
    [key],
  );
  return key;
}

/** Does something else after the first statement of a claim. */
function afterFirst(tx: EntityManager, work: () => Promise<void>): EntityManager {
  const query = tx.query.bind(tx);
  let statements = 0;
  tx.query = async <T>(statement: string, values?: unknown[]): Promise<T> => {
    const rows = await query<T>(statement, values);
    if (++statements === 1) await work();
    return rows;
  };
  return tx;
}

async function waitForLock(): Promise<void> {
  await waitFor('somebody to wait for a lock', async () => {
    const [{ waiting }] = await orderProcess.dataSource.query(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return waiting > 0;
  });
}

beforeAll(async () => {
  database = await createOrderDatabase();
  orderProcess = database.process();
});

beforeEach(() => orderProcess.dataSource.query('TRUNCATE idempotency_keys'));

afterAll(() => database.drop());

it('a key that a request comes with again is not forgotten before that is answered, and holds up no other', async () => {
  const { dataSource, keys } = orderProcess;
  const [used] = [await oldKey('first'), await oldKey('first')];
  const forgotten: number[] = [];
  const owners = await dataSource.transaction((tx) =>
    keys.claim(
      afterFirst(tx, async () => void forgotten.push(await keys.prune(DAY_MS))),
      claimsOf('again', used),
    ),
  );
  expect(forgotten).toEqual([1]);
  expect(owners.get(used)?.orderId).toBe('first');
  expect(await keys.prune(DAY_MS)).toBe(1);
});

it('groups with the same keys wait for each other and both end, while housekeeping forgets one of the keys', async () => {
  const { dataSource, keys } = orderProcess;
  const old = await oldKey('first');
  const fresh = `${old}-fresh`;
  let second: Promise<Map<string, { orderId: string }>> | undefined;
  const meanwhile = async () => {
    await keys.prune(DAY_MS);
    second = dataSource.transaction((tx) => keys.claim(tx, claimsOf('second', old, fresh)));
    // Looked at below; a deadlock may choose it before that.
    second.catch(() => undefined);
    await waitForLock();
  };
  const owners = await dataSource.transaction((tx) =>
    keys.claim(afterFirst(tx, meanwhile), claimsOf('new', old, fresh)),
  );
  const found = [owners, await second].map((each) => [old, fresh].map((key) => each?.get(key)?.orderId));
  expect(found).toEqual([
    ['first', 'new'],
    ['first', 'new'],
  ]);
});
