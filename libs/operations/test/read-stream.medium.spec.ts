import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { readStream } from '../src/read-stream.js';
import { OperatedServer } from './harness.js';

const MESSAGES = 2_000;

describe('reading a stream', () => {
  let server: OperatedServer;
  let stream: string;

  beforeEach(async () => {
    server = await OperatedServer.connect();
    stream = uniqueName('s');
    await server.manager.streams.add({ name: stream, subjects: [`${stream}.*`] });
    for (let index = 1; index <= MESSAGES; index++) server.nc.publish(`${stream}.${index % 2}`, `${index}`);
    await waitFor('all messages', async () => (await server.count(stream)) === MESSAGES);
  });

  afterEach(async () => {
    await server.manager.streams.delete(stream);
    await server.close();
  });

  const read = (range: object = {}) => readStream(jetstream(server.nc), { stream, ...range });

  it('finds every message once, in order', async () => {
    const found: number[] = [];
    for await (const { seq } of read()) found.push(seq);
    expect(found).toEqual(Array.from({ length: MESSAGES }, (_, index) => index + 1));
  });

  it('ends when somebody takes away what was to come', async () => {
    const found: number[] = [];
    for await (const { seq } of read()) {
      if (found.push(seq) === 1) await server.manager.streams.purge(stream);
    }
    expect(found.length).toBeLessThan(MESSAGES);
  });

  it.each([1, 2])(
    'of %i subjects asks for nothing but what names its consumer, which operators may',
    async (count) => {
      const requests = server.nc.subscribe('$JS.API.CONSUMER.CREATE.>');
      const subjects = [`${stream}.1`, `${stream}.none`].slice(0, count);
      let found = 0;
      for await (const { subject } of read({ subjects })) found += subject === `${stream}.1` ? 1 : NaN;
      expect(found).toBe(MESSAGES / 2);
      await requests.drain();
      const asked: string[] = [];
      for await (const { subject } of requests) if (subject.split('.').includes(stream)) asked.push(subject);
      expect(asked).toEqual([expect.stringMatching(/^\$JS\.API\.CONSUMER\.CREATE\.[^.]+\.[^.]+/)]);
    },
  );

  it('leaves no consumer behind, not even where there is nothing to read', async () => {
    for await (const { seq } of read({ from: 2, to: 3 })) expect([2, 3]).toContain(seq);
    for await (const { seq } of read({ subjects: [`${stream}.none`] })) expect(seq).toBe('read');
    expect(await server.manager.consumers.list(stream).next()).toEqual([]);
  });
});
