import fastify from 'fastify';
import { randomUUID } from 'node:crypto';
import pg from 'pg';

// The least that can take orders durably: fastify, no validation, no log; order and event of concurrent requests are
// inserted with one statement each and committed together, while the next group forms.

interface Waiting {
  readonly orderId: string;
  readonly body: { readonly customerId: string; readonly currency: string; readonly lines: unknown };
  readonly resolve: (answer: object) => void;
  readonly reject: (error: unknown) => void;
}

const MAX_GROUP = 500;
const CONNECTIONS = 2;

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: CONNECTIONS });
await pool.query(`
  CREATE TABLE IF NOT EXISTS bare_orders (
    order_id text PRIMARY KEY, status text NOT NULL DEFAULT 'pending', customer_id text, currency text, lines jsonb,
    created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE IF NOT EXISTS bare_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, aggregate_id text NOT NULL, subject text NOT NULL,
    body bytea NOT NULL);`);

let waiting: Waiting[] = [];
let running = 0;

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
      `INSERT INTO bare_outbox (aggregate_id, subject, body)
       SELECT id, 'orders.created.v1', body FROM unnest($1::text[], $2::bytea[]) AS new (id, body)`,
      [
        group.map(({ orderId }) => orderId),
        group.map(({ orderId, body }) => Buffer.from(JSON.stringify({ orderId, ...body }))),
      ],
    );
    await client.query('COMMIT');
    for (const { orderId, resolve } of group) resolve({ orderId, status: 'pending' });
  } catch (error) {
    for (const { reject } of group) reject(error);
  } finally {
    client.release();
    running--;
    void commitNext();
  }
}

const app = fastify();
app.post('/orders', (request, reply) => {
  void reply.code(202);
  return new Promise<object>((resolve, reject) => {
    waiting.push({ orderId: randomUUID(), body: request.body as Waiting['body'], resolve, reject });
    if (waiting.length === 1) setImmediate(() => void commitNext());
  });
});
await app.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
