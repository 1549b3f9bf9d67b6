import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { headers as createHeaders } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import {
  EventEncoder,
  newEvent,
  orderConfirmedV1,
  orderCreatedV2,
  paymentCompletedV1,
} from '@slipstream/contracts';
import { uniqueName } from '@slipstream/testing';
import { AuditScene } from '../test/audit-scene.js';
import { OrderReplay } from './order-replay.js';

describe('a replay of the audit log', () => {
  const scene = new AuditScene();
  const base = { customerId: 'c-1', currency: 'EUR', totalMinor: 1_250, lines: [] };
  const encoder = new EventEncoder({
    source: 'test',
    publishes: [orderConfirmedV1, orderCreatedV2, paymentCompletedV1],
  });

  beforeAll(async () => {
    Logger.overrideLogger(false);
    await scene.open();
  });

  beforeEach(() => scene.set());

  afterAll(() => scene.close());

  it('gives the final state of every order by the log alone', async () => {
    const [paid, doubtful] = [uniqueName('o'), uniqueName('o')];
    const events = [
      encoder.encode(orderConfirmedV1, newEvent(paid)),
      encoder.encode(orderCreatedV2, { ...newEvent(paid), ...base }),
      encoder.encode(orderCreatedV2, { ...newEvent(doubtful), ...base }),
      encoder.encode(orderConfirmedV1, newEvent(doubtful)),
      encoder.encode(paymentCompletedV1, {
        ...newEvent(paid),
        chargeId: 'ch-1',
        amountMinor: 1_250,
        currency: 'EUR',
      }),
    ];
    const recorded = events.map(({ subject, data }, index) => scene.message(index + 1, { subject, data }));
    await scene.newLog().append([...recorded, scene.message(99, { data: Buffer.from('no order') })]);
    const orders = await new OrderReplay(scene.segments, scene.store).run();
    expect(orders).toContainEqual({
      orderId: paid,
      status: 'confirmed',
      customerId: 'c-1',
      currency: 'EUR',
      totalMinor: 1_250,
      contradiction: 'confirmed without a reservation',
    });
    expect(orders).toContainEqual(
      expect.objectContaining({ orderId: doubtful, contradiction: 'confirmed without a payment' }),
    );
  });

  it('takes no answer of the server, which somebody had sent to a stream, for an event', async () => {
    const [order, none] = [uniqueName('o'), uniqueName('o')];
    const headers = createHeaders();
    headers.set('Nats-Stream', 'KV_anything');
    const { subject, data } = encoder.encode(orderCreatedV2, { ...newEvent(order), ...base });
    const answers = [
      encoder.encode(orderConfirmedV1, newEvent(order)),
      encoder.encode(orderCreatedV2, { ...newEvent(none), ...base }),
    ].map((answer, index) =>
      scene.message(index + 2, { subject: answer.subject, data: answer.data, headers }),
    );
    await scene.newLog().append([scene.message(1, { subject, data }), ...answers]);
    const orders = await new OrderReplay(scene.segments, scene.store).run();
    expect(orders.filter(({ orderId }) => [order, none].includes(orderId))).toMatchObject([
      { orderId: order, status: 'pending' },
    ]);
  });
});
