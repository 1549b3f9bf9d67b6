import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { headers as createHeaders } from '@nats-io/transport-node';
import { ConsumerReviews, InvalidRequestError, OrderLives } from '@slipstream/operations';
import { waitFor } from '@slipstream/testing';
import { OperatedServer, operatedStream, type OperatedStream } from './harness.js';

describe('an operator who reads a stream', () => {
  let server: OperatedServer;
  let stream: OperatedStream;

  beforeAll(async () => {
    server = await OperatedServer.connect();
  });

  afterAll(() => server.close());

  beforeEach(() => {
    stream = operatedStream();
  });

  it('is refused a review that ends before it begins', async () => {
    await server.manager.streams.add({ name: stream.name, subjects: [...stream.subjects] });
    await server.manager.consumers.add(stream.name, { durable_name: 'reader' });
    const request = { stream: stream.name, consumer: 'reader', from: 5, to: 4 };
    const recall = () => Promise.resolve({ known: new Set<number>(), unknown: new Set<number>() });
    await expect(new ConsumerReviews(server.nc).review(request, recall)).rejects.toThrow(InvalidRequestError);
  });

  it('follows an order, and no other whose id begins or ends like its own', async () => {
    await server.manager.streams.add({ name: stream.name, subjects: [...stream.subjects] });
    const say = (orderId: string) =>
      server.publish(stream.subject('a'), JSON.stringify({ message_id: `m-${orderId}`, order_id: orderId }));
    for (const id of ['o-10', 'foo-1', 'o-1']) await say(id);
    const binary = Buffer.from('\n\u0003m-x\u0012\u0003o-1\u001a\u0001c');
    await server.manager.jetstream().publish(stream.subject('a'), binary);
    const headers = createHeaders();
    headers.set('ce-subject', 'o-1');
    await server.manager.jetstream().publish(stream.subject('a'), 'anything', { headers });
    const lives = new OrderLives(server.nc, {
      readers: [
        { service: 'test', consumer: 'reader', stream: stream.name, subjects: [stream.subject('a')] },
      ],
      ordersUrl: 'http://127.0.0.1:1',
    });
    const life = await lives.find('o-1');
    expect(life.messages.map(({ sequence }) => sequence)).toEqual([3, 4, 5]);
    expect((await lives.find('m-o-10')).orderId).toBe('o-10');
  });

  it('is told that what names more than a thousand messages is no order', async () => {
    await server.manager.streams.add({ name: stream.name, subjects: [...stream.subjects] });
    const body = JSON.stringify({ currency: 'EUR' });
    for (let count = 0; count < 1_001; count++) server.nc.publish(stream.subject('a'), body);
    await waitFor('the messages', async () => (await server.count(stream.name)) === 1_001);
    const readers = [
      { service: 'test', consumer: 'reader', stream: stream.name, subjects: [stream.subject('a')] },
    ];
    const lives = new OrderLives(server.nc, { readers, ordersUrl: 'http://127.0.0.1:1' });
    await expect(lives.find('EUR')).rejects.toThrow(InvalidRequestError);
  });
});
