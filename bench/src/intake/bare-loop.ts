import { jetstreamManager, StorageType } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import fastify from 'fastify';
import { randomUUID } from 'node:crypto';
import pg from 'pg';

// The least that can take orders durably and publish them: fastify, no validation, no log; order and event of concurrent
// requests are inserted with one statement each and committed together, while the next group forms; events are published
// in atomic batches and removed.

interface Waiting {
  readonly orderId: string;
  readonly body: { readonly customerId: string; readonly currency: string; readonly lines: unknown };
  readonly resolve: (answer: object) => void;
  readonly reject: (error: unknown) => void;
}

const MAX_GROUP = 500;
const CONNECTIONS = 2;

const RELAY_BATCH = 1_000;
const REQUEST_TIMEOUT_MS = 10_000;
const SUBJECT = 'bare.orders.created';

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: CONNECTIONS + 1 });
await pool.query(`
  CREATE TABLE IF NOT EXISTS bare_orders (
    order_id text PRIMARY KEY, status text NOT NULL DEFAULT 'pending', customer_id text, currency text, lines jsonb,
    created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE IF NOT EXISTS bare_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, aggregate_id text NOT NULL, body bytea NOT NULL);`);

let waiting: Waiting[] = [];
let running = 0;
let commits = 0;
let wakeRelay = (): void => undefined;

async function commitNext(): Promise<void> {
  if (running === CONNECTIONS || waiting.length === 0) return;
  running++;
  const group = waiting.slice(0, MAX_GROUP);
  waiting = waiting.slice(MAX_GROUP);
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO bare_orders (order_id, customer_id, currency, lines)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[])`,
      [
        group.map(({ orderId }) => orderId),
        group.map(({ body }) => body.customerId),
        group.map(({ body }) => body.currency),
        group.map(({ body }) => JSON.stringify(body.lines)),
      ],
    );
    await client.query(
      `INSERT INTO bare_outbox (aggregate_id, body) SELECT * FROM unnest($1::text[], $2::bytea[])`,
      [
        group.map(({ orderId }) => orderId),
        group.map(({ orderId, body }) => Buffer.from(JSON.stringify({ orderId, ...body }))),
      ],
    );
    await client.query('COMMIT');
    commits++;
    wakeRelay();
    for (const { orderId, resolve } of group) resolve({ orderId, status: 'pending' });
  } catch (error) {
    for (const { reject } of group) reject(error);
  } finally {
    client.release();
    running--;
    void commitNext();
  }
}

const nc = await connect({ servers: process.env['NATS_URL'] ?? '' });
const stream = { name: 'BARE', subjects: ['bare.>'], storage: StorageType.File, allow_atomic: true };
await (await jetstreamManager(nc)).streams.add(stream);

async function relay(): Promise<void> {
  for (;;) {
    const seen = commits;
    const { rows } = await pool.query<{ id: string; aggregate_id: string; body: Buffer }>(
      `SELECT * FROM bare_outbox ORDER BY id LIMIT ${RELAY_BATCH}`,
    );
    const batch = randomUUID();
    for (const [index, { aggregate_id, body }] of rows.entries()) {
      const fields = headers();
      fields.set('Nats-Msg-Id', aggregate_id);
      fields.set('Nats-Batch-Id', batch);
      fields.set('Nats-Batch-Sequence', String(index + 1));
      if (index < rows.length - 1) {
        nc.publish(SUBJECT, body, { headers: fields });
        continue;
      }
      fields.set('Nats-Batch-Commit', '1');
      const answer = await nc.request(SUBJECT, body, { headers: fields, timeout: REQUEST_TIMEOUT_MS });
      if (answer.json<{ error?: unknown }>().error) throw new Error(answer.string());
    }
    await pool.query('DELETE FROM bare_outbox WHERE id = ANY($1)', [rows.map(({ id }) => id)]);
    if (rows.length === 0 && commits === seen) await untilCommit();
  }
}

/** Nothing is polled: the other variant has the machine for itself while this one rests. */
function untilCommit(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  wakeRelay = resolve;
  return promise;
}
void relay();

const app = fastify();
app.post('/orders', (request, reply) => {
  void reply.code(202);
  return new Promise<object>((resolve, reject) => {
    waiting.push({ orderId: randomUUID(), body: request.body as Waiting['body'], resolve, reject });
    if (waiting.length === 1) setImmediate(() => void commitNext());
  });
});
await app.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
