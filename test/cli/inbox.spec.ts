import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  EventEncoder,
  newEvent,
  newId,
  orderCancelledV1,
  orderCreatedV1,
  type OrderCreated,
} from '@slipstream/contracts';
import { inboxMigrations } from '@slipstream/idempotency';
import { dataSourceOptions } from '@slipstream/postgres';
import { createTestDatabase, type TestDatabase } from '@slipstream/testing';
import { DataSource, type MigrationInterface } from 'typeorm';
import { CreatePayments1763700000002 } from '../../apps/payment-service/src/migrations/create-payments.ts';
import { ReshapePayments1763700000003 } from '../../apps/payment-service/src/migrations/reshape-payments.ts';
import { CommandLine } from './command-line.ts';

// Every command is a process that loads its libraries, also on a machine that does something else.
jest.setTimeout(240_000);

const encoder = new EventEncoder({ source: 'shop', publishes: [orderCreatedV1, orderCancelledV1] });

type Migrations = readonly (new () => MigrationInterface)[];

describe('the command line on an inbox', () => {
  let database: TestDatabase;
  let commands: CommandLine;
  let nc: NatsConnection;
  const sources: DataSource[] = [];

  async function openSchema(schema: string, migrations: Migrations): Promise<DataSource> {
    const source = await new DataSource(
      dataSourceOptions({ url: database.url, schema, migrations }),
    ).initialize();
    sources.push(source);
    await source.query(`CREATE SCHEMA ${schema}`);
    await source.runMigrations();
    return source;
  }

  const orderOf = (): OrderCreated => ({
    ...newEvent(newId()),
    customerId: 'c-1',
    currency: 'EUR',
    totalMinor: 100,
    lines: [],
  });

  async function publish(order: OrderCreated): Promise<number> {
    const { subject, data } = encoder.encode(orderCreatedV1, order);
    return (await jetstream(nc).publish(subject, data)).seq;
  }

  async function ack(consumer: string, count: number): Promise<void> {
    const reader = await jetstream(nc).consumers.get('ORDERS', consumer);
    for await (const message of await reader.fetch({ max_messages: count })) await message.ackAck();
  }

  async function deadLetter(sequence: number): Promise<void> {
    const stored = await (await jetstreamManager(nc)).streams.getMessage('ORDERS', { seq: sequence });
    const told = headers();
    told.set('dead-letter-stream', 'ORDERS');
    told.set('dead-letter-consumer', 'inventory-orders');
    told.set('dead-letter-sequence', String(sequence));
    told.set('dead-letter-first-at', stored?.time.toISOString() ?? '');
    await jetstream(nc).publish('orders.dlq', '{}', { headers: told });
  }

  async function reconcile(service: string, ...args: string[]) {
    const call = ['inbox', 'reconcile', '--service', service, '--since', '1', ...args];
    const { code, kind, data } = await commands.json(...call);
    return { code, kind, consumers: data.consumers as { consumer: string }[] };
  }

  beforeAll(async () => {
    database = await createTestDatabase();
    commands = await CommandLine.start({ DATABASE_URL: database.url });
    nc = await connect({ servers: commands.natsUrl });
    await commands.run(['streams', 'apply']);
  }, 300_000);

  afterAll(async () => {
    await nc.close();
    for (const source of sources) await source.destroy();
    await commands.stop();
    await database.drop();
  });

  it('ends with 3 when a service knows nothing of what its consumer acked, and sends it again when told to', async () => {
    const inventory = await openSchema('inventory', inboxMigrations);
    const orders = Array.from({ length: 5 }, orderOf);
    const sequences: number[] = [];
    for (const order of orders) sequences.push(await publish(order));
    const [known, , ...lost] = orders;
    await ack('inventory-orders', 4);
    const remember = (order?: OrderCreated) =>
      inventory.query(`INSERT INTO inbox (consumer, message_id) VALUES ('inventory-orders', $1)`, [
        order?.messageId,
      ]);
    await remember(known);
    await deadLetter(sequences[1] ?? 0);
    const found = await reconcile('inventory-service');
    expect(found).toMatchObject({ code: 3, kind: 'inbox.reconcile' });
    const counts = { compared: 4, deadLettered: 1, unknown: 0, waiting: 1, repaired: 0 };
    expect(found.consumers).toMatchObject([
      {
        consumer: 'inventory-orders',
        ...counts,
        missing: sequences.slice(2, 4).map((sequence) => ({ sequence, subject: 'orders.created.v1' })),
      },
    ]);
    const repaired = await reconcile('inventory-service', '--repair', '--yes');
    expect(repaired).toMatchObject({ code: 0, consumers: [{ repaired: 2 }] });
    const manager = await jetstreamManager(nc);
    const { state } = await manager.streams.info('OPERATIONS', {
      subjects_filter: 'operations.redrive.ORDERS.inventory-orders.>',
    });
    expect(Object.keys(state.subjects ?? {})).toHaveLength(2);
    // What was sent again is dealt with.
    for (const order of lost) await remember(order);
    expect(await reconcile('inventory-service')).toMatchObject({ code: 0, consumers: [{ missing: [] }] });
  });

  it('asks the payments themselves, which tell an order from its cancellation', async () => {
    const payments = await openSchema('payments', [
      ...inboxMigrations,
      CreatePayments1763700000002,
      ReshapePayments1763700000003,
    ]);
    const first = orderOf();
    const from = await publish(first);
    const cancellation = encoder.encode(orderCancelledV1, { ...newEvent(first.orderId), reason: 'late' });
    const { seq } = await jetstream(nc).publish(cancellation.subject, cancellation.data);
    await ack('payment-orders', seq);
    await payments.query(
      `INSERT INTO payments (order_id, state, gateway_key) VALUES ($1, 'void', 'charge-1')`,
      [first.orderId],
    );
    const since = ['--until', String(seq), '--consumer', 'payment-orders', '--since', String(from)];
    expect(await reconcile('payment-service', ...since)).toMatchObject({
      code: 3,
      consumers: [{ compared: 2, missing: [{ sequence: from, subject: 'orders.created.v1' }] }],
    });
    await payments.query(`UPDATE payments SET state = 'succeeded', amount_minor = 100, currency = 'EUR'`);
    expect(await reconcile('payment-service', ...since)).toMatchObject({
      code: 3,
      consumers: [{ compared: 2, missing: [{ sequence: seq, subject: 'orders.cancelled.v1' }] }],
    });
    await payments.query(`UPDATE payments SET state = 'refunded'`);
    expect(await reconcile('payment-service', ...since)).toMatchObject({ code: 0 });
  });

  it.each([
    [['--service', 'nobody'], 2, 'Give one of order-service'],
    [['--service', 'audit-service'], 4, 'audit-service has no inbox'],
    [['--service', 'inventory-service', '--consumer', 'x'], 4, 'Give one of inventory-orders'],
  ])('%j ends with %i', async (args, code, told) => {
    const ended = await commands.run(['inbox', 'reconcile', '--since', '1', ...args]);
    expect([ended.code, ended.stdout, ended.stderr]).toEqual([code, '', expect.stringContaining(told)]);
  });
});
