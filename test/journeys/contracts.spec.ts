import { create, createFileRegistry, fromBinary, toBinary, type DescMessage } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import avro from 'avsc';
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Journey } from './journey.ts';

const V1 = 'orders.created.v1';
const V2 = 'orders.created.v2';
const CREATED_AT = 1_720_000_000_000;

const line = (sku: string) => ({ sku, quantity: 1, unitPriceMinor: 1_250 });
const order = (sku: string) => ({ customerId: 'cust-1', currency: 'USD', lines: [line(sku)] });
const newIds = () => ({ message_id: randomUUID(), order_id: randomUUID() });

/** What another team has: the contracts' files, and the libraries of the format. */
function protobufType(typeName: string): DescMessage {
  const image = fromBinary(FileDescriptorSetSchema, readFileSync('libs/contracts/baseline.binpb'));
  const type = createFileRegistry(image).getMessage(typeName);
  if (!type) throw new Error(`there is no ${typeName}`);
  return type;
}

function avroType(subject: string): avro.Type {
  return avro.Type.forSchema(
    JSON.parse(readFileSync(`docs/reference/events/${subject}.avsc`, 'utf8')) as avro.Schema,
  );
}

/** The same order as four producers write it who know nothing of each other. */
const producers: Record<
  string,
  (ids: ReturnType<typeof newIds>) => { body: string | Uint8Array; contentType?: string }
> = {
  "the article's Go struct": (ids) => ({
    // json.Marshal keeps the order of the fields, and writes neither spaces nor what the struct does not have.
    body:
      `{"message_id":"${ids.message_id}","order_id":"${ids.order_id}","customer_id":"cust-123",` +
      `"total_amount":99.95,"created_at":${CREATED_AT}}`,
  }),
  "Python's MessageToJson": (ids) => ({
    contentType: 'application/json',
    // camelCase, indented, 64-bit integers as text.
    body: JSON.stringify(
      {
        messageId: ids.message_id,
        orderId: ids.order_id,
        customerId: 'cust-123',
        totalAmount: 99.95,
        createdAt: String(CREATED_AT),
      },
      undefined,
      2,
    ),
  }),
  'a protobuf library': (ids) => ({
    contentType: 'application/protobuf',
    body: toBinary(
      protobufType('slipstream.orders.v1.OrderCreated'),
      create(protobufType('slipstream.orders.v1.OrderCreated'), {
        messageId: ids.message_id,
        orderId: ids.order_id,
        customerId: 'cust-123',
        totalAmount: 99.95,
        createdAt: BigInt(CREATED_AT),
      }),
    ),
  }),
  'an Avro library': (ids) => ({
    contentType: 'application/avro',
    body: avroType(V1).toBuffer({
      ...ids,
      customer_id: 'cust-123',
      total_amount: 99.95,
      created_at: CREATED_AT,
    }),
  }),
  'a CloudEvents library in structured mode': (ids) => ({
    contentType: 'application/cloudevents+json; charset=UTF-8',
    body: JSON.stringify({
      specversion: '1.0',
      id: ids.message_id,
      source: '/shop',
      type: V1,
      data: { ...ids, customer_id: 'cust-123', total_amount: 99.95, created_at: CREATED_AT },
    }),
  }),
};

describe('contracts', () => {
  let journey: Journey;

  const publish = (
    subject: string,
    { body, contentType }: { body: string | Uint8Array; contentType?: string },
  ) =>
    journey.publishDurably(subject, body, contentType === undefined ? {} : { 'Content-Type': contentType });

  async function chargesSince(before: { charges: number; amountMinor: number }) {
    const { charges, amountMinor, duplicateCharges } = await journey.gateway();
    return {
      charges: charges - before.charges,
      amountMinor: amountMinor - before.amountMinor,
      duplicateCharges,
    };
  }

  beforeAll(async () => {
    // The state of a migration: both versions are published, and every service writes another encoding.
    journey = await Journey.start({
      'order-service': { ORDER_CREATED_VERSIONS: 'v1,v2' },
      'payment-service': { EVENT_CONTENT_TYPE: 'application/protobuf' },
      'inventory-service': { EVENT_CONTENT_TYPE: 'application/avro' },
    });
  }, 240_000);

  afterAll(async () => {
    await journey.end();
  }, 60_000);

  it('bring the same order to the same end, whoever wrote it', async () => {
    const before = await journey.gateway();
    const orders = [];
    for (const write of Object.values(producers)) {
      const ids = newIds();
      await publish(V1, write(ids));
      const { orderId, history: _, ...settled } = await journey.settled(ids.order_id);
      expect(orderId).toBe(ids.order_id);
      orders.push(settled);
    }
    expect(orders[0]).toMatchObject({
      status: 'confirmed',
      customerId: 'cust-123',
      totalMinor: 9_995,
      currency: 'USD',
    });
    for (const settled of orders)
      expect({ ...settled, createdAt: '' }).toEqual({ ...orders[0], createdAt: '' });
    expect(await chargesSince(before)).toEqual({
      charges: orders.length,
      amountMinor: orders.length * 9_995,
      duplicateCharges: 0,
    });
  }, 120_000);

  it('let one order that comes in every encoding be one order', async () => {
    const before = await journey.gateway();
    const { order_id } = newIds();
    for (const write of Object.values(producers))
      await publish(V1, write({ message_id: randomUUID(), order_id }));
    expect(await journey.settled(order_id)).toMatchObject({ status: 'confirmed', totalMinor: 9_995 });
    await waitFor('every copy to be settled', () => journey.isQuiet('ORDERS'));
    expect(await chargesSince(before)).toEqual({ charges: 1, amountMinor: 9_995, duplicateCharges: 0 });
  }, 120_000);

  it('let old and new producers and consumers run together while v1 becomes v2', async () => {
    const before = await journey.gateway();
    const oldProducer = newIds();
    const newProducer = newIds();
    const common = { customer_id: 'cust-123', created_at: CREATED_AT };
    await journey.publishBare(V1, JSON.stringify({ ...oldProducer, ...common, total_amount: 12.5 }));
    const v2 = { ...newProducer, ...common, currency: 'USD', total_minor: 1_250, lines: [] };
    await journey.publishBare(V2, JSON.stringify(v2));
    const ofBoth = await journey.placeOrder(order(uniqueName('sku')), uniqueName('key'));

    const ids = [oldProducer.order_id, newProducer.order_id, ofBoth];
    const settled = await Promise.all(ids.map((orderId) => journey.settled(orderId)));
    expect(settled.map(({ status, totalMinor }) => ({ status, totalMinor }))).toEqual(
      ids.map(() => ({ status: 'confirmed', totalMinor: 1_250 })),
    );
    await waitFor('every message to be settled', () => journey.isQuiet('ORDERS'));
    expect(await chargesSince(before)).toEqual({ charges: 3, amountMinor: 3_750, duplicateCharges: 0 });
    for (const { history } of settled) {
      expect(history.filter(({ event }) => event === 'orders.created')).toHaveLength(1);
    }

    // A consumer of yesterday knows v1 and its five fields; it sees what is published in both versions.
    const [seen] = (await journey.messages('ORDERS', V1))
      .filter(({ header }) => header.get('Content-Type') === '')
      .map((message) => message.json<{ order_id: string; total_amount: number }>())
      .filter(({ order_id }) => order_id === ofBoth);
    expect(seen).toMatchObject({ total_amount: 12.5 });
    const both = [V1, V2].map(async (subject) => {
      const [message] = (await journey.messages('ORDERS', subject)).filter(
        ({ header }) => header.get('ce-subject') === ofBoth,
      );
      return [
        message?.header.get('ce-id'),
        message?.header.get('Nats-Msg-Id'),
        message?.header.get('ce-type'),
      ];
    });
    const [first, second] = await Promise.all(both);
    const messageId = first?.[0] ?? '';
    expect(first).toEqual([messageId, `${messageId}/v1`, V1]);
    expect(second).toEqual([messageId, `${messageId}/v2`, V2]);
  }, 120_000);

  it('let services that publish in different encodings understand each other, and the audit all of them', async () => {
    const orderId = await journey.placeOrder(order(uniqueName('sku')), uniqueName('key'));
    expect(await journey.settled(orderId)).toMatchObject({ status: 'confirmed' });
    const encodings = await Promise.all(
      [
        ['PAYMENTS', 'payments.completed.v1'],
        ['INVENTORY', 'inventory.reserved.v1'],
      ].map(async ([stream = '', subject = '']) => {
        const about = (await journey.messages(stream, subject)).find(
          ({ header }) => header.get('ce-subject') === orderId,
        );
        return about?.header.get('content-type');
      }),
    );
    expect(encodings).toEqual(['application/protobuf', 'application/avro']);
    for (const stream of ['ORDERS', 'PAYMENTS', 'INVENTORY']) {
      await waitFor(`the audit of ${stream}`, () => journey.isQuiet(stream));
    }
    expect(await journey.read('audit-service', '/verify')).toMatchObject({ ok: true, problems: [] });
    const replay = await journey.request('audit-service', 'GET', '/replay');
    const replayed = (await replay.text())
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as { orderId: string });
    expect(replayed.find((state) => state.orderId === orderId)).toMatchObject({
      status: 'confirmed',
      totalMinor: 1_250,
      contradiction: null,
    });
  }, 120_000);

  it('send a version of the future to the dead letters with the reason, its trace and its bytes', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const body = JSON.stringify({ ...newIds(), total: { amount: '12.50' } });
    await journey.publishDurably('orders.created.v3', body, {
      Traceparent: `00-${trace}-00f067aa0ba902b7-01`,
    });
    await waitFor('every consumer to be done with it', () => journey.isQuiet('ORDERS'));
    const letters = (await journey.deadLetters('ORDERS_DLQ')).filter((letter) => letter.body === body);
    expect(letters.map(({ header }) => header('dead-letter-consumer')).toSorted()).toEqual([
      'inventory-orders',
      'order-intake',
      'payment-orders',
    ]);
    for (const { header } of letters) {
      expect(header('dead-letter-code')).toBe('CONTRACT_UNKNOWN_VERSION');
      expect(header('dead-letter-message')).toContain(
        'v3 of "orders.created" is not known here, only v1 and v2',
      );
      expect(header('dead-letter-trace-id')).toBe(trace);
    }
  }, 60_000);

  it('are served by every service at /docs', async () => {
    const document = await journey.read<{ channels: object }>('payment-service', '/docs/asyncapi.json');
    expect(Object.keys(document.channels)).toEqual(
      expect.arrayContaining([V1, V2, 'payments.completed.v1', 'orders.dlq']),
    );
    const page = await journey.request('payment-service', 'GET', '/docs');
    expect(await page.text()).toContain('swagger');
  });
});
