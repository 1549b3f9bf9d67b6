import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { EventPattern, TerminalError } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import {
  OperatedServer,
  operatedStream,
  startService,
  type OperatedStream,
} from '../../../libs/operations/test/harness.js';
import { ConsoleScene } from '../test/console-scene.js';
import type { ConsumerOverview, DeadLetter, DeadLetterGroup, History } from './api.js';

const BY_ANN = { by: 'ann', reason: 'the stock was counted anew' };

describe('the console', () => {
  let stream: OperatedStream;
  let server: OperatedServer;
  let service: INestApplication;
  let scene: ConsoleScene;
  let handled: string[];
  let refused: Set<string>;

  beforeAll(async () => {
    stream = operatedStream();
    handled = [];
    refused = new Set(['gone', 'bad', 'broken']);
    @Controller()
    class Stock {
      @EventPattern(stream.subject('a'), { durable: 'stock' })
      on(@Payload() payload: string): void {
        if (refused.has(payload)) throw new TerminalError(`${payload} cannot be`);
        handled.push(payload);
      }
    }
    server = await OperatedServer.connect();
    service = await startService(stream, [Stock]);
    scene = await ConsoleScene.set();
    for (const body of ['fine', 'gone', 'bad', 'broken', 'gone']) {
      await server.publish(stream.subject('a'), JSON.stringify(body));
    }
    await server.deadLetters(stream.name, 4);
  });

  afterAll(async () => {
    await scene?.clear();
    await service?.close();
    await server?.close();
  });

  async function letters(query = ''): Promise<DeadLetter[]> {
    const { body } = await scene.get(`/api/dead-letters?stream=${stream.name}${query}`);
    return body['letters'] as DeadLetter[];
  }

  async function letterOf(text: string): Promise<DeadLetter> {
    const found = (await letters()).find(({ errorMessage }) => errorMessage === `${text} cannot be`);
    if (!found) throw new Error(`there is no dead letter of ${text}`);
    return found;
  }

  it('shows streams and consumers, and how far they are', async () => {
    const { status, body } = await scene.get('/api/overview');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      serverVersion: expect.stringMatching(/^2\./),
      streams: expect.arrayContaining([expect.objectContaining({ name: stream.name, messages: 5 })]),
      consumers: expect.arrayContaining([expect.objectContaining({ stream: stream.name, name: 'stock' })]),
    });
  });

  it('remembers what was published, waited, was settled and died before anybody asked', async () => {
    const key = `${stream.name}/stock`;
    const history = await waitFor('two samples', async () => {
      const { body } = await scene.get('/api/history');
      return (body['times'] as number[]).length > 1 && (body as unknown as History);
    });
    const length = history.times.length;
    expect(history.times).toEqual(history.times.toSorted((a, b) => a - b));
    for (const series of [history.published[stream.name], history.lag[key], history.settled[key]]) {
      expect(series).toHaveLength(length);
    }
    expect(history.deadLetters[stream.name]?.at(-1)).toBe(4);
    expect(history.published).not.toHaveProperty(`${stream.name}_DLQ`);
  }, 30_000);

  it('pages through dead letters and groups them by their error', async () => {
    const [first] = await letters('&limit=1');
    const rest = await letters(`&after=${first?.id}`);
    expect([first?.id, ...rest.map(({ id }) => id)]).toEqual((await letters()).map(({ id }) => id));
    const { body } = await scene.get(`/api/dead-letters/groups?stream=${stream.name}&consumer=stock`);
    expect((body['groups'] as DeadLetterGroup[]).map(({ count }) => count)).toEqual([4]);
  });

  it('shows a dead letter with its headers, body and stack', async () => {
    const { id } = await letterOf('bad');
    expect((await scene.get(`/api/dead-letters/${encodeURIComponent(id)}`)).body).toMatchObject({
      id,
      errorClass: 'TerminalError',
      stack: expect.stringContaining('bad cannot be'),
      body: { kind: 'json', value: 'bad' },
    });
  });

  it('redrives one with an edited body, and records who did it and why', async () => {
    const { id } = await letterOf('bad');
    const answer = await scene.post(`/api/dead-letters/${id}/redrive`, { ...BY_ANN, body: '"mended"' });
    expect(answer).toMatchObject({ status: 200, body: { outcome: 'done' } });
    await waitFor('the mended message', () => Promise.resolve(handled.includes('mended')));
    const records = await server.records(stream.name);
    const redrive = records.find(({ subject }) => subject.startsWith('operations.redrive.'));
    expect([redrive?.header('operation-by'), redrive?.header('operation-reason')]).toEqual([
      BY_ANN.by,
      BY_ANN.reason,
    ]);
  });

  it('answers 404 for one that was dealt with, and says what to do', async () => {
    const { id } = await letterOf('broken');
    await scene.post(`/api/dead-letters/${id}/discard`, BY_ANN);
    const answer = await scene.post(`/api/dead-letters/${id}/redrive`, BY_ANN);
    expect(answer).toMatchObject({
      status: 404,
      body: { type: 'urn:slipstream:OPERATIONS_DEAD_LETTER_NOT_FOUND', detail: expect.stringContaining(id) },
    });
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it('redrives all that match, and no other', async () => {
    refused.clear();
    const filter = { stream: stream.name, consumer: 'stock', errorClass: 'TerminalError' };
    const other = await scene.post('/api/dead-letters/redrive', {
      ...BY_ANN,
      filter: { ...filter, consumer: 'nobody' },
    });
    expect(other.body).toEqual({ done: 0, already: 0, failed: 0, failures: [] });
    const { body } = await scene.post('/api/dead-letters/redrive', { ...BY_ANN, filter });
    expect(body).toEqual({ done: 2, already: 0, failed: 0, failures: [] });
    await waitFor('both', () =>
      Promise.resolve(handled.filter((payload) => payload === 'gone').length === 2),
    );
    expect(await letters()).toEqual([]);
  });

  it('pauses a consumer until a time, and resumes it', async () => {
    const until = new Date(Date.now() + 60_000).toISOString();
    const place = `/api/consumers/${stream.name}/stock`;
    const paused = await scene.post(`${place}/pause`, { until, by: 'ann' });
    expect(Date.parse((paused.body as unknown as ConsumerOverview).pausedUntil ?? '')).toBe(
      Date.parse(until),
    );
    expect((await scene.post(`${place}/resume`, BY_ANN)).body).toMatchObject({ pausedUntil: null });
  });

  it('counts what a replay would send before it sends it', async () => {
    const range = { stream: stream.name, consumer: 'stock', from: 1, to: 1 };
    expect((await scene.post('/api/replays/count', range)).body).toMatchObject({ messages: 1 });
    const before = handled.filter((payload) => payload === 'fine').length;
    const run = uniqueName('run');
    const sent = await scene.post('/api/replays', { ...range, ...BY_ANN, run });
    expect(sent.body).toMatchObject({ messages: 1, already: 0, run });
    await waitFor('the replayed message', () =>
      Promise.resolve(handled.filter((payload) => payload === 'fine').length === before + 1),
    );
    const again = await scene.post('/api/replays', { ...range, ...BY_ANN, run });
    expect(again.body).toMatchObject({ messages: 1, already: 1 });
  });

  it.each([
    ['pause', `/api/consumers/S/stock/pause`, { until: '2026-11-23T12:00:00', by: 'ann' }, 'until'],
    ['pause', `/api/consumers/S/stock/pause`, { until: '2026-13-45T12:00:00Z', by: 'ann' }, 'until'],
    ['stream', `/api/consumers/A.B/stock/resume`, { by: 'ann' }, 'stream'],
    ['replay', '/api/replays', { stream: 'S', consumer: 'c', by: 'ann' }, 'run'],
    ['redrive', '/api/dead-letters/S:1/redrive', { by: '' }, 'by'],
    ['redrive of all', '/api/dead-letters/redrive', { by: 'ann' }, 'filter'],
    ['filter', '/api/dead-letters/discard', { by: 'ann', filter: { stream: 'A.B' } }, 'filter.stream'],
    ['replay', '/api/replays/count', { stream: 'S', consumer: 'c', from: 'noon' }, 'from'],
    ['unknown field', '/api/replays/count', { stream: 'S', consumer: 'c', form: 1 }, 'form'],
  ])('names the field of a %s that cannot be meant', async (_what, path, body, field) => {
    const answer = await scene.post(path, body);
    expect(answer.status).toBe(400);
    expect(answer.body['errors']).toContainEqual(expect.objectContaining({ field }));
  });

  it.each([
    ['/api/consumers/NOWHERE/stock/pause', { until: '2999-01-01T00:00:00Z', by: 'ann' }, 404, 'NOWHERE'],
    ['/api/dead-letters/nonsense/redrive', BY_ANN, 400, 'nonsense'],
  ])('says what is wrong with %s', async (path, body, status, named) => {
    const answer = await scene.post(path, body);
    expect([answer.status, answer.body['detail']]).toEqual([status, expect.stringContaining(named)]);
  });

  it('tells what services declare to handle, in words', async () => {
    const { body } = await scene.get('/api/handlers');
    expect(body['services']).toContainEqual(
      expect.objectContaining({
        name: 'payment-service',
        durables: [expect.objectContaining({ durable: 'payment-orders', retry: expect.any(String) })],
      }),
    );
  });

  it('says that a service does not answer, instead of failing itself', async () => {
    const { status, body } = await scene.get('/api/audit/verification');
    expect([status, body['detail']]).toEqual([
      502,
      expect.stringContaining('audit-service does not answer at'),
    ]);
  });

  it('diagnoses a system whose services are away', async () => {
    const { status, body } = await scene.get('/api/findings');
    expect(status).toBe(200);
    expect(body['findings']).toContainEqual(
      expect.objectContaining({ check: 'services', verdict: 'unknown' }),
    );
  });
});
