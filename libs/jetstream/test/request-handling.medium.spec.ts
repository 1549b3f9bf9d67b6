import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { RequestContext } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { concat, lastValueFrom, map, NEVER, of, toArray } from 'rxjs';
import { RequestScene } from './request-scene.js';
import { startTestApp } from './harness.js';

describe('requests at a service', () => {
  const scene = new RequestScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  it('are shared by the processes of a service, and seen by each queue group', async () => {
    const seen: string[] = [];
    const answer = (name: string) => scene.answering(() => seen.push(name));
    await scene.start(answer('one'));
    await scene.start(answer('two'));
    await scene.start(scene.answering(() => seen.push('other'), { queueGroup: 'other' }));
    await Promise.all(Array.from({ length: 40 }, (_, index) => scene.ask(scene.packet(index))));
    await waitFor('every request in both groups', () => seen.length === 80);
    const count = (name: string) => seen.filter((entry) => entry === name).length;
    expect(count('other')).toBe(40);
    expect(count('one')).toBeGreaterThan(0);
    expect(count('two')).toBeGreaterThan(0);
  });

  it('run no more at a time than declared, and are all answered', async () => {
    let running = 0;
    let most = 0;
    await scene.start(
      scene.answering(
        async (payload: unknown) => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
          return payload;
        },
        { concurrency: 3 },
      ),
    );
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => scene.ask(scene.packet(index))),
    );
    expect(answers.map(({ response }) => response)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(most).toBe(3);
  });

  it('are refused as busy when too many wait', async () => {
    const { promise: gate, resolve } = Promise.withResolvers<void>();
    await scene.start(scene.answering(() => gate, { concurrency: 1 }));
    const answers = Array.from({ length: 1_002 }, () => scene.ask(scene.packet(1)));
    expect((await Promise.race(answers)).err).toEqual({ status: 'error', message: 'Service busy' });
    resolve();
    const rest = await Promise.all(answers);
    expect(rest.filter(({ err }) => err !== undefined)).toHaveLength(1);
  });

  it('that take too long get an error and their signal is aborted', async () => {
    const aborted: unknown[] = [];
    await scene.start(
      scene.answering(
        (kind: string, { signal }) => {
          signal.addEventListener('abort', () => aborted.push(signal.reason));
          return kind === 'stream' ? concat(of(1), NEVER) : NEVER;
        },
        { timeoutMs: 50 },
      ),
    );
    expect(await scene.ask(scene.packet('value'))).toEqual({
      err: { status: 'error', message: 'Request timed out' },
      isDisposed: true,
      id: 'r-1',
    });
    const values: unknown[] = [];
    const stream$ = scene.nestClient().send(scene.subject, 'stream');
    await expect(lastValueFrom(stream$.pipe(map((value) => values.push(value))))).rejects.toEqual({
      status: 'error',
      message: 'Request timed out',
    });
    expect(values).toEqual([1]);
    expect(aborted).toEqual(Array(2).fill(expect.objectContaining({ code: 'JS_HANDLER_TIMEOUT' })));
  });

  it('run between the processing hooks, and are answered when a hook throws', async () => {
    const hooks: string[] = [];
    const { server } = await scene.start(scene.answering(() => of(1, 2)));
    const onStart: unknown = (_: unknown, context: unknown, done: () => Promise<unknown>) => {
      hooks.push(context instanceof RequestContext ? 'start' : 'other');
      if (hooks.length === 3) throw new Error('no tracer');
      return hooks.length === 4 ? Promise.reject(new Error('no tracer')) : done();
    };
    server.setOnProcessingStartHook(onStart as Parameters<typeof server.setOnProcessingStartHook>[0]);
    server.setOnProcessingEndHook(() => {
      hooks.push('end');
      if (hooks.length > 5) throw new Error('no tracer');
    });
    expect(await lastValueFrom(scene.nestClient().send(scene.subject, 1).pipe(toArray()))).toEqual([1, 2]);
    expect(hooks).toEqual(['start', 'end']);
    for (let throws = 0; throws < 2; throws++) {
      expect(await scene.ask(scene.packet(1))).toMatchObject({ err: { message: 'Internal server error' } });
    }
    expect(await lastValueFrom(scene.nestClient().send(scene.subject, 1).pipe(toArray()))).toEqual([1, 2]);
    expect(hooks.slice(4)).toEqual(['start', 'end']);
  });

  describe('at shutdown', () => {
    it('are answered when they run or wait already, and later ones find nobody', async () => {
      const { promise: gate, resolve } = Promise.withResolvers<void>();
      let begun = 0;
      const app = await scene.start(
        scene.answering(
          async (payload: unknown) => {
            begun++;
            await gate;
            return payload;
          },
          { concurrency: 1 },
        ),
      );
      const answers = [1, 2, 3].map((data) => scene.ask(scene.packet(data)));
      await waitFor('the first', () => begun === 1);
      await scene.bystander.nc.flush();
      const closing = scene.stop(app);
      await waitFor('nobody to answer', () =>
        scene.bystander.nc.request(scene.subject, scene.packet(4), { timeout: 200 }).then(
          () => false,
          (error: Error) => /no responders/i.test(error.message),
        ),
      );
      resolve();
      await closing;
      expect((await Promise.all(answers)).map(({ response }) => response)).toEqual([1, 2, 3]);
    });

    it('get an error when they cannot be finished in time', async () => {
      let begun = 0;
      const app = await scene.start(
        scene.answering(
          () => {
            begun++;
            return NEVER;
          },
          { concurrency: 1 },
        ),
        { shutdownTimeoutMs: 50 },
      );
      const answers = [1, 2].map((data) => scene.ask(scene.packet(data)));
      await waitFor('the first', () => begun === 1);
      await scene.bystander.nc.flush();
      await scene.stop(app);
      const given = { err: { status: 'error', message: 'The service is shutting down' } };
      expect(await Promise.all(answers)).toEqual([
        expect.objectContaining(given),
        expect.objectContaining(given),
      ]);
    });
  });

  it.each<[string, () => Type[], RegExp]>([
    [
      'a subject that a stream holds',
      () => [scene.answering(() => 1, {}, scene.stream.subject('a'))],
      /stream \w+ holds the subject, and its acknowledgement would be taken for the answer; choose another/,
    ],
    ['a subject that is none', () => [scene.answering(() => 1, {}, 'a b')], /it is no NATS subject/],
    [
      'two handlers of one subject',
      () => [scene.answering(() => 1), scene.answering(() => 2)],
      /it is declared twice; remove one of the handlers/,
    ],
    [
      'subjects that overlap',
      () => [scene.answering(() => 1, {}, 'a.*'), scene.answering(() => 2, {}, 'a.b')],
      /it overlaps with "a\.\*"; make one of the subjects narrower/,
    ],
    [
      'no concurrency',
      () => [scene.answering(() => 1, { concurrency: 0 })],
      /concurrency must be a whole number above 0/,
    ],
    [
      'a group with spaces',
      () => [scene.answering(() => 1, { queueGroup: 'a b' })],
      /queueGroup "a b" must be a name/,
    ],
  ])('refuse to start with %s and say what to change', async (_, controllers, sentence) => {
    await expect(startTestApp(scene.stream, controllers())).rejects.toThrow(sentence);
  });
});
