import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  BadRequestException,
  Catch,
  Controller,
  Injectable,
  ParseIntPipe,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type RpcExceptionFilter,
  type Type,
} from '@nestjs/common';
import { ClientNats, Ctx, NatsContext, Payload, RpcException } from '@nestjs/microservices';
import {
  JetStreamClient,
  MessagePattern,
  RequestContext,
  type JetStreamOptions,
  type RequestOptions,
} from '@slipstream/jetstream';
import { headers as createHeaders } from '@nats-io/transport-node';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';
import * as legacy from 'nats';
import {
  concat,
  firstValueFrom,
  lastValueFrom,
  map,
  NEVER,
  of,
  throwError,
  toArray,
  type Observable,
} from 'rxjs';
import { Bystander, publishRaw, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

type Handle = (payload: never, context: RequestContext) => unknown;

interface Answer {
  readonly response?: unknown;
  readonly err?: unknown;
  readonly isDisposed?: boolean;
  readonly id?: string;
}

describe('requests', () => {
  let stream: TestStream;
  let subject: string;
  let bystander: Bystander;
  let open: (() => Promise<unknown>)[];

  beforeEach(async () => {
    stream = testStream();
    subject = uniqueName('ask');
    bystander = await Bystander.connect();
    open = [() => bystander.close()];
  });

  afterEach(async () => {
    for (const close of open.toReversed()) await close();
  });

  function answering(handle: Handle, options?: RequestOptions, pattern: string = subject): Type {
    @Controller()
    class Answering {
      @MessagePattern(pattern, options)
      on(@Payload() payload: never, @Ctx() context: RequestContext): unknown {
        return handle(payload, context);
      }
    }
    return Answering;
  }

  async function start(controller: Type, options: Partial<JetStreamOptions> = {}): Promise<TestApp> {
    const started = await startTestApp(stream, [controller], options);
    open.push(() => started.app.close());
    return started;
  }

  function nestClient(): ClientNats {
    const client = new ClientNats({ servers: [natsUrl()] });
    open.push(() => client.close());
    return client;
  }

  async function ask(body: string, to = subject): Promise<Answer> {
    return (await bystander.nc.request(to, body, { timeout: 10_000 })).json<Answer>();
  }

  const packet = (data: unknown, id = 'r-1') => JSON.stringify({ pattern: subject, data, id });

  describe('are answered alike', () => {
    const askers: [string, (app: TestApp) => (data: unknown) => Observable<unknown>][] = [
      ["by Nest's ClientNats", () => (data) => nestClient().send(subject, data)],
      [
        'by our own client',
        ({ app }) =>
          (data) =>
            app.get(JetStreamClient).send(subject, data),
      ],
    ];

    it.each(askers)('with a value %s', async (_, asker) => {
      const send = asker(await start(answering((numbers: number[]) => numbers.reduce((a, b) => a + b, 0))));
      expect(await lastValueFrom(send([1, 2, 3]).pipe(toArray()))).toEqual([6]);
    });

    it.each(askers)('with several values %s', async (_, asker) => {
      const send = asker(
        await start(answering((to: number) => of(...Array.from({ length: to }, (__, i) => i)))),
      );
      expect(await lastValueFrom(send(4).pipe(toArray()))).toEqual([0, 1, 2, 3]);
    });

    it.each(askers)('with values and then an error %s', async (_, asker) => {
      const send = asker(
        await start(
          answering(() =>
            concat(
              of(1, 2),
              throwError(() => new RpcException({ code: 'E_THREE' })),
            ),
          ),
        ),
      );
      const values: unknown[] = [];
      await expect(lastValueFrom(send({}).pipe(map((value) => values.push(value))))).rejects.toEqual({
        code: 'E_THREE',
      });
      expect(values).toEqual([1, 2]);
    });

    it.each(askers)('with nothing %s', async (_, asker) => {
      const send = asker(await start(answering(() => undefined)));
      expect(await lastValueFrom(send({}).pipe(toArray()))).toEqual([undefined]);
    });

    it.each(askers)('with the content of an RpcException %s', async (_, asker) => {
      const send = asker(
        await start(
          answering((data: unknown) => {
            throw new RpcException(data as object);
          }),
        ),
      );
      await expect(firstValueFrom(send({ code: 'SOLD_OUT', sku: 1 }))).rejects.toEqual({
        code: 'SOLD_OUT',
        sku: 1,
      });
      await expect(firstValueFrom(send('sold out'))).rejects.toEqual({
        status: 'error',
        message: 'sold out',
      });
    });

    it.each(askers)('without a detail of an internal error %s', async (_, asker) => {
      const send = asker(
        await start(
          answering((kind: unknown) => {
            throw kind === 'object' ? { password: 'secret' } : new Error('password=secret');
          }),
        ),
      );
      for (const kind of ['error', 'object']) {
        await expect(firstValueFrom(send(kind))).rejects.toEqual({
          status: 'error',
          message: 'Internal server error',
        });
      }
    });
  });

  it('reach object patterns and wildcards', async () => {
    @Controller()
    class Patterns {
      @MessagePattern({ cmd: subject })
      command(@Payload() payload: unknown): unknown {
        return ['command', payload];
      }

      @MessagePattern(`${subject}.*.get`)
      wildcard(@Ctx() context: RequestContext): unknown {
        return context.subject;
      }
    }
    const { app } = await start(Patterns);
    const client = app.get(JetStreamClient);
    expect(await firstValueFrom(client.send({ cmd: subject }, 1))).toEqual(['command', 1]);
    expect(await firstValueFrom(nestClient().send({ cmd: subject }, 2))).toEqual(['command', 2]);
    expect(await firstValueFrom(client.send(`${subject}.o-1.get`, 1))).toBe(`${subject}.o-1.get`);
  });

  it('are answered to the request() of plain clients, with a packet, other JSON or nothing', async () => {
    await start(answering((payload: unknown) => ({ got: payload ?? 'nothing' })));
    expect(await ask(packet(1))).toEqual({ response: { got: 1 }, isDisposed: true, id: 'r-1' });
    expect(await ask('{"data":2}')).toEqual({ response: { got: 2 }, isDisposed: true });
    expect(await ask('{"n":3}')).toEqual({ response: { got: { n: 3 } }, isDisposed: true });
    expect(await ask('null')).toEqual({ response: { got: 'nothing' }, isDisposed: true });
    expect(await ask('')).toEqual({ response: { got: 'nothing' }, isDisposed: true });
    const old = await legacy.connect({ servers: natsUrl() });
    open.push(() => old.close());
    const answer = await old.request(subject, packet('legacy'), { timeout: 5_000 });
    expect(answer.json()).toEqual({ response: { got: 'legacy' }, isDisposed: true, id: 'r-1' });
  });

  it('that nobody can read get an error, and the next ones an answer', async () => {
    await start(answering((payload: unknown) => payload));
    const malformed = { err: { status: 'error', message: 'The request is no JSON' }, isDisposed: true };
    for (const body of ['{broken', 'text', '\u0000']) expect(await ask(body)).toEqual(malformed);
    const bytes = await bystander.nc.request(subject, Buffer.from([0xff, 0xfe]), { timeout: 5_000 });
    expect(bytes.json()).toEqual(malformed);
    const deep = '['.repeat(5_000) + ']'.repeat(5_000);
    expect(await ask(`{"pattern":${deep},"data":1,"id":{"not":"a string"}}`)).toEqual({
      response: 1,
      isDisposed: true,
    });
    await publishRaw(subject, 'NATS/1.0\r\nbad name here: x\r\n\r\n', '{}');
    expect(await ask(packet(2))).toMatchObject({ response: 2 });
  });

  it('whose answer cannot be written get an error', async () => {
    await start(
      answering((kind: string) => (kind === 'large' ? 'x'.repeat(2 * 1024 * 1024) : { big: BigInt(1) })),
    );
    for (const kind of ['large', 'unwritable']) {
      expect(await ask(packet(kind))).toEqual({
        err: { status: 'error', message: 'Internal server error' },
        isDisposed: true,
        id: 'r-1',
      });
    }
  });

  it('pass guards, pipes, interceptors and filters, whose errors are told', async () => {
    @Injectable()
    class Members implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        return context.switchToRpc().getContext<RequestContext>().headers?.get('x-member') !== 'no';
      }
    }
    @Injectable()
    class Doubling implements NestInterceptor {
      intercept(_: ExecutionContext, next: CallHandler<number>): Observable<number> {
        return next.handle().pipe(map((value) => value * 2));
      }
    }
    @Catch(RangeError)
    class RangeFilter implements RpcExceptionFilter<RangeError> {
      catch(error: RangeError): Observable<unknown> {
        return throwError(() => ({ status: 'error', message: error.message, code: 'OUT_OF_RANGE' }));
      }
    }
    @UseGuards(Members)
    @UseInterceptors(Doubling)
    @UseFilters(RangeFilter)
    @Controller()
    class Guarded {
      @MessagePattern(subject)
      on(@Payload('n', ParseIntPipe) n: number): number {
        if (n > 100) throw new RangeError('at most 100');
        return n;
      }
    }
    await start(Guarded);
    expect(await ask(packet({ n: '21' }))).toMatchObject({ response: 42 });
    expect(await ask(packet({ n: 'many' }))).toMatchObject({
      err: { status: 'error', statusCode: 400, error: 'Bad Request' },
    });
    expect(await ask(packet({ n: '101' }))).toMatchObject({
      err: { status: 'error', message: 'at most 100', code: 'OUT_OF_RANGE' },
    });
    const headers = createHeaders();
    headers.set('x-member', 'no');
    const refused = await bystander.nc.request(subject, packet({ n: '1' }), { headers, timeout: 5_000 });
    expect(refused.json<Answer>().err).toEqual({ status: 'error', message: 'Forbidden resource' });
  });

  it('have a context that is one of Nest too, and may be handled in a scope of their own', async () => {
    @Controller({ scope: Scope.REQUEST })
    class Scoped {
      @MessagePattern(subject)
      on(@Ctx() context: RequestContext): unknown {
        const tenant = context.headers?.get('x-tenant');
        return [context instanceof NatsContext, context.getSubject(), tenant, context.signal.aborted];
      }
    }
    await start(Scoped);
    const headers = createHeaders();
    headers.set('x-tenant', 'acme');
    const answer = await bystander.nc.request(subject, packet(1), { headers, timeout: 5_000 });
    expect(answer.json<Answer>().response).toEqual([true, subject, 'acme', false]);
  });

  it('are shared by the processes of a service, and seen by each queue group', async () => {
    const seen: string[] = [];
    const answer = (name: string) => answering(() => seen.push(name));
    await start(answer('one'));
    await start(answer('two'));
    await start(answering(() => seen.push('other'), { queueGroup: 'other' }));
    await Promise.all(Array.from({ length: 40 }, (_, index) => ask(packet(index))));
    await waitFor('every request in both groups', () => seen.length === 80);
    const count = (name: string) => seen.filter((entry) => entry === name).length;
    expect(count('other')).toBe(40);
    expect(count('one')).toBeGreaterThan(0);
    expect(count('two')).toBeGreaterThan(0);
  });

  it('run no more at a time than declared, and are all answered', async () => {
    let running = 0;
    let most = 0;
    await start(
      answering(
        async (payload: unknown) => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
          return payload;
        },
        { concurrency: 3 },
      ),
    );
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => ask(packet(index))));
    expect(answers.map(({ response }) => response)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(most).toBe(3);
  });

  it('are refused as busy when too many wait', async () => {
    const { promise: gate, resolve } = Promise.withResolvers<void>();
    await start(answering(() => gate, { concurrency: 1 }));
    const answers = Array.from({ length: 1_002 }, () => ask(packet(1)));
    expect((await Promise.race(answers)).err).toEqual({ status: 'error', message: 'Service busy' });
    resolve();
    const rest = await Promise.all(answers);
    expect(rest.filter(({ err }) => err !== undefined)).toHaveLength(1);
  });

  it('that take too long get an error and their signal is aborted', async () => {
    const aborted: unknown[] = [];
    await start(
      answering(
        (kind: string, { signal }) => {
          signal.addEventListener('abort', () => aborted.push(signal.reason));
          return kind === 'stream' ? concat(of(1), NEVER) : NEVER;
        },
        { timeoutMs: 50 },
      ),
    );
    expect(await ask(packet('value'))).toEqual({
      err: { status: 'error', message: 'Request timed out' },
      isDisposed: true,
      id: 'r-1',
    });
    const values: unknown[] = [];
    const stream$ = nestClient().send(subject, 'stream');
    await expect(lastValueFrom(stream$.pipe(map((value) => values.push(value))))).rejects.toEqual({
      status: 'error',
      message: 'Request timed out',
    });
    expect(values).toEqual([1]);
    expect(aborted).toEqual(Array(2).fill(expect.objectContaining({ code: 'JS_HANDLER_TIMEOUT' })));
  });

  it('run between the processing hooks, and are answered when a hook throws', async () => {
    const hooks: string[] = [];
    const { server } = await start(answering(() => of(1, 2)));
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
    expect(await lastValueFrom(nestClient().send(subject, 1).pipe(toArray()))).toEqual([1, 2]);
    expect(hooks).toEqual(['start', 'end']);
    for (let throws = 0; throws < 2; throws++) {
      expect(await ask(packet(1))).toMatchObject({ err: { message: 'Internal server error' } });
    }
    expect(await lastValueFrom(nestClient().send(subject, 1).pipe(toArray()))).toEqual([1, 2]);
    expect(hooks.slice(4)).toEqual(['start', 'end']);
  });

  describe('at shutdown', () => {
    it('are answered when they run or wait already, and later ones find nobody', async () => {
      const { promise: gate, resolve } = Promise.withResolvers<void>();
      let begun = 0;
      const { app } = await start(
        answering(
          async (payload: unknown) => {
            begun++;
            await gate;
            return payload;
          },
          { concurrency: 1 },
        ),
      );
      open.pop();
      const answers = [1, 2, 3].map((data) => ask(packet(data)));
      await waitFor('the first', () => begun === 1);
      await bystander.nc.flush();
      const closing = app.close();
      await waitFor('nobody to answer', () =>
        bystander.nc.request(subject, packet(4), { timeout: 200 }).then(
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
      const { app } = await start(
        answering(
          () => {
            begun++;
            return NEVER;
          },
          { concurrency: 1 },
        ),
        { shutdownTimeoutMs: 50 },
      );
      open.pop();
      const answers = [1, 2].map((data) => ask(packet(data)));
      await waitFor('the first', () => begun === 1);
      await bystander.nc.flush();
      await app.close();
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
      () => [answering(() => 1, {}, stream.subject('a'))],
      /stream \w+ holds the subject, and its acknowledgement would be taken for the answer; choose another/,
    ],
    ['a subject that is none', () => [answering(() => 1, {}, 'a b')], /it is no NATS subject/],
    [
      'two handlers of one subject',
      () => [answering(() => 1), answering(() => 2)],
      /it is declared twice; remove one of the handlers/,
    ],
    [
      'subjects that overlap',
      () => [answering(() => 1, {}, 'a.*'), answering(() => 2, {}, 'a.b')],
      /it overlaps with "a\.\*"; make one of the subjects narrower/,
    ],
    [
      'no concurrency',
      () => [answering(() => 1, { concurrency: 0 })],
      /concurrency must be a whole number above 0/,
    ],
    [
      'a group with spaces',
      () => [answering(() => 1, { queueGroup: 'a b' })],
      /queueGroup "a b" must be a name/,
    ],
  ])('refuse to start with %s and say what to change', async (_, controllers, sentence) => {
    await expect(startTestApp(stream, controllers())).rejects.toThrow(sentence);
  });

  it('of an invalid payload carry what the pipe says of it', async () => {
    await start(
      answering(() => {
        throw new BadRequestException(['quantity must be positive']);
      }),
    );
    expect((await ask(packet(1))).err).toEqual({
      status: 'error',
      statusCode: 400,
      error: 'Bad Request',
      message: ['quantity must be positive'],
    });
  });
});
