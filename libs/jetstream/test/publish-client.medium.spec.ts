import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Subscription } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import { JetStreamClient, JetStreamRecord, NoHandlerError, NoStreamError } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { publishRaw } from './harness.js';
import { openPublishScene, type PublishScene } from './publish-harness.js';

describe('JetStreamClient', () => {
  let scene: PublishScene;
  let client: JetStreamClient;

  beforeEach(async () => {
    scene = await openPublishScene();
    client = new JetStreamClient(scene.connection, scene.publisher);
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await scene.close();
  });

  const stored = async (stream: string) => scene.bystander.messages(stream);

  it('emits the acknowledgement of the stream and completes', async () => {
    const stream = await scene.addStream();
    const ack = await lastValueFrom(client.emit(`${scene.root}.a`, { n: 1 }));
    expect(ack).toMatchObject({ stream, seq: 1, duplicate: false });
    const [message] = await stored(stream);
    expect(Buffer.from(message?.data ?? []).toString()).toBe('{"n":1}');
    expect(message?.header('content-type')).toBe('application/json');
  });

  it('publishes once, whether nobody, one or two subscribe, and tells late subscribers too', async () => {
    const stream = await scene.addStream();
    const emitted = client.emit(`${scene.root}.a`, 1);
    await waitFor('the message', async () => (await stored(stream)).length === 1);
    const acks = [await lastValueFrom(emitted), await lastValueFrom(emitted)];
    expect(acks).toEqual([acks[0], acks[0]]);
    expect(await stored(stream)).toHaveLength(1);
  });

  it('fails the subscriber when the message is not stored, and logs nothing', async () => {
    const logged = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    await expect(lastValueFrom(client.emit(`${scene.root}.a`, 1))).rejects.toBeInstanceOf(NoStreamError);
    expect(logged).not.toHaveBeenCalled();
  });

  it.each<[string, unknown]>([
    ['that no stream holds', 1],
    ['without a payload', undefined],
  ])('logs the failure of an event %s and nobody subscribed to', async (_, payload) => {
    const logged = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    client.emit(`${scene.root}.a`, payload);
    await waitFor('the log line', () => logged.mock.calls.length === 1);
    expect(logged).toHaveBeenCalledWith({ err: expect.any(Error) }, 'an event was not published');
  });

  it('publishes bytes as they are and a record with its id, headers and expectations', async () => {
    const stream = await scene.addStream();
    await lastValueFrom(client.emit(`${scene.root}.a`, Buffer.from([1, 2])));
    const options = { messageId: 'm1', headers: { 'x-a': 'b' }, expect: { lastSequence: 1 } };
    await lastValueFrom(client.emit(`${scene.root}.a`, new JetStreamRecord({ n: 2 }, options)));
    const [bytes, record] = await stored(stream);
    expect([...(bytes?.data ?? [])]).toEqual([1, 2]);
    expect(bytes?.header('content-type')).toBe('');
    expect(record?.header('Nats-Msg-Id')).toBe('m1');
    expect(record?.header('x-a')).toBe('b');
  });

  it('sends what the dispatch hook attaches as headers', async () => {
    const stream = await scene.addStream();
    client.setOnDispatchHook((packet) => {
      packet.metadata = { traceparent: '00-a-b-01' };
    });
    await lastValueFrom(client.emit(`${scene.root}.a`, 1));
    expect((await stored(stream))[0]?.header('traceparent')).toBe('00-a-b-01');
  });

  it('fails a request that nobody handles at once', async () => {
    await expect(firstValueFrom(client.send(`${scene.root}.a`, 1))).rejects.toBeInstanceOf(NoHandlerError);
  });

  it('fails a request whose answer nobody can read, and goes on', async () => {
    scene.bystander.nc.subscribe(`${scene.root}.a`, {
      callback: (_, { reply = '' }) => void publishRaw(reply, 'NATS/1.0\r\nbad name here: x\r\n\r\n', ''),
    });
    await scene.bystander.nc.flush();
    await expect(firstValueFrom(client.send(`${scene.root}.a`, 1))).rejects.toThrow(/header name/);
    await expect(firstValueFrom(client.send(`${scene.root}.b`, 1))).rejects.toBeInstanceOf(NoHandlerError);
  });

  it.each<[string, () => unknown]>([
    ['is no JSON', () => ({ n: 1n })],
    ['is too large', () => 'x'.repeat(scene.connection.nc.info?.max_payload ?? 0)],
  ])('fails a request whose payload %s, and waits for no answer', async (_, payload) => {
    const subscribed = jest.spyOn(scene.connection.nc, 'subscribe');
    await expect(firstValueFrom(client.send(`${scene.root}.a`, payload()))).rejects.toThrow(
      /BigInt|max_payload/,
    );
    const waiting = subscribed.mock.results.filter(({ value }) => !(value as Subscription).isClosed());
    expect(waiting).toEqual([]);
  });

  it('refuses a request to a wildcard', async () => {
    await expect(firstValueFrom(client.send(`${scene.root}.*`, 1))).rejects.toThrow(
      /no subject to send a request to/,
    );
  });

  it('fails waiting requests when it is closed, and leaves the connection open', async () => {
    scene.bystander.nc.subscribe(`${scene.root}.a`, { callback: () => client.close() });
    await scene.bystander.nc.flush();
    await expect(firstValueFrom(client.send(`${scene.root}.a`, 1))).rejects.toThrow(/closed/);
    expect(await client.connect()).toBe(client.unwrap());
    expect(scene.connection.nc.isClosed()).toBe(false);
  });

  it('tells its status and events', async () => {
    const seen: string[] = [];
    client.status.subscribe((status) => seen.push(status));
    client.on('reconnect', () => seen.push('event'));
    await scene.connection.nc.reconnect();
    await waitFor('the reconnection', () => seen.includes('event'));
    expect(seen[0]).toBe('connected');
    expect(seen.slice(-2)).toEqual(['connected', 'event']);
    await scene.connection.nc.close();
    await waitFor('the end', () => seen.at(-1) === 'disconnected');
  });

  it('goes on telling its events although a listener throws', async () => {
    const errors = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const seen: string[] = [];
    client.on('disconnect', () => {
      throw new Error('not today');
    });
    client.on('disconnect', () => seen.push('disconnect'));
    client.on('reconnect', () => seen.push('reconnect'));
    await scene.connection.nc.reconnect();
    await waitFor('the reconnection', () => seen.includes('reconnect'));
    expect(seen).toEqual(['disconnect', 'reconnect']);
    expect(errors).toHaveBeenCalledTimes(1);
  });
});
