import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  BadRequestException,
  Catch,
  Controller,
  Injectable,
  Logger,
  ParseIntPipe,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type RpcExceptionFilter,
  type Type,
} from '@nestjs/common';
import {
  EventPattern as NestEventPattern,
  Payload,
  Transport,
  type AsyncMicroserviceOptions,
} from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  connectJetStream,
  ErrorIdentityFilter,
  EventPattern,
  JetStreamBatchContext,
  JetStreamContext,
  JetStreamServer,
  OnEvent,
  TerminalError,
  type JetStreamOptions,
} from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';
import { map, type Observable, of, tap } from 'rxjs';
import {
  buildTestModule,
  Bystander,
  startTestApp,
  testStream,
  type TestApp,
  type TestStream,
} from './harness.js';

type Hook = Parameters<JetStreamServer['setOnProcessingStartHook']>[0];

function throwing(): never {
  throw new Error('no tracer');
}

class ForbiddenTenantError extends TerminalError {
  override readonly code = 'FORBIDDEN_TENANT';
}

describe('Nest features on handlers', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;
  let apps: INestApplication[];
  let seen: unknown[];

  async function start(controller: Type, options: Partial<JetStreamOptions> = {}): Promise<TestApp> {
    const started = await startTestApp(stream, [controller], options);
    apps.push(started.app);
    return started;
  }

  async function firstLetter() {
    const [letter] = await waitFor('the dead letter', async () => {
      const letters = await bystander.messages(`${stream.name}_DLQ`);
      return letters.length > 0 && letters;
    });
    return letter;
  }

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    apps = [];
    seen = [];
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(apps.map((app) => app.close()));
    await bystander.close();
  });

  it('let a guard refuse a message, with its error and class in the dead letter', async () => {
    @Injectable()
    class TenantGuard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        const rpc = context.switchToRpc();
        if (rpc.getData() === 'forbidden') throw new ForbiddenTenantError('not your tenant');
        return rpc.getContext<JetStreamContext>().subject.length > 0;
      }
    }

    @Controller()
    class Guarded {
      @UseGuards(TenantGuard)
      @EventPattern(stream.subject('a'), { durable })
      on(@Payload() payload: unknown): void {
        seen.push(payload);
      }
    }
    await start(Guarded);
    await bystander.publish(stream.subject('a'), '"forbidden"');
    await bystander.publish(stream.subject('a'), '"welcome"');
    const letter = await firstLetter();
    expect(letter?.header('dead-letter-code')).toBe('FORBIDDEN_TENANT');
    expect(letter?.header('dead-letter-class')).toBe('ForbiddenTenantError');
    expect(letter?.header('dead-letter-message')).toBe('not your tenant');
    await waitFor('the other message', () => seen.length === 1);
    expect(seen).toEqual(['welcome']);
  });

  it('let a pipe transform the payload and refuse an invalid one at the first attempt', async () => {
    @Controller()
    class Piped {
      @EventPattern(stream.subject('a'), { durable })
      on(@Payload('quantity', ParseIntPipe) quantity: number): void {
        seen.push(quantity);
      }
    }
    const { settled } = await start(Piped);
    await bystander.publish(stream.subject('a'), '{"quantity":"12"}');
    await bystander.publish(stream.subject('a'), '{"quantity":"many"}');
    expect((await firstLetter())?.header('dead-letter-class')).toBe(BadRequestException.name);
    expect(seen).toEqual([12]);
    expect(settled.map(({ attempt, outcome }) => [attempt, outcome])).toContainEqual([1, 'dead-lettered']);
  });

  it('wait for the stream an interceptor or a handler returns before the message is acked', async () => {
    @Injectable()
    class Recorder implements NestInterceptor {
      intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
        seen.push('before');
        return next.handle().pipe(tap(() => seen.push('after')));
      }
    }

    @Controller()
    class Intercepted {
      @UseInterceptors(Recorder)
      @EventPattern(stream.subject('a'), { durable })
      on(): Observable<string> {
        return of('handled').pipe(map((value) => seen.push(value).toString()));
      }
    }
    await start(Intercepted);
    await bystander.publish(stream.subject('a'), '1');
    await waitFor(
      'the ack',
      async () => (await bystander.consumer(stream.name, durable)).ack_floor.stream_seq === 1,
    );
    expect(seen).toEqual(['before', 'handled', 'after']);
  });

  it("let a filter of the handler's own handle its error, which then counts as handled", async () => {
    @Catch(RangeError)
    class RangeFilter implements RpcExceptionFilter<RangeError> {
      catch(error: RangeError): Observable<unknown> {
        seen.push(error.message);
        return of(undefined);
      }
    }

    @Controller()
    class Filtered {
      @UseFilters(RangeFilter)
      @EventPattern(stream.subject('a'), { durable })
      on(): void {
        throw new RangeError('caught');
      }
    }
    await start(Filtered);
    await bystander.publish(stream.subject('a'), '1');
    await waitFor(
      'the ack',
      async () => (await bystander.consumer(stream.name, durable)).ack_floor.stream_seq === 1,
    );
    expect(seen).toEqual(['caught']);
    expect(await bystander.messages(`${stream.name}_DLQ`)).toEqual([]);
  });

  it('run the processing hooks of instrumentation around every message, once each', async () => {
    @Controller()
    class Plain {
      @EventPattern(stream.subject('a'), { durable, backoffMs: [10] })
      on(payload: unknown): void {
        seen.push(payload);
        if (seen.filter((entry) => entry === 1).length === 1) throw new Error('first attempt');
      }
    }
    const hooks: string[] = [];
    const { server } = await start(Plain);
    server.setOnProcessingStartHook((_, __, done) => {
      hooks.push('start');
      void done();
    });
    server.setOnProcessingEndHook(() => hooks.push('end'));
    await bystander.publish(stream.subject('a'), '1');
    await waitFor(
      'the ack',
      async () => (await bystander.consumer(stream.name, durable)).ack_floor.stream_seq === 1,
    );
    expect(hooks).toEqual(['start', 'end', 'start', 'end']);
  });

  it.each<[string, Hook, () => void, number]>([
    ['throws before the handler', throwing, () => undefined, 1],
    ['rejects before the handler', async () => throwing(), () => undefined, 1],
    ['throws after the handler', (_, __, done) => void done(), throwing, 0],
  ])('settle the message whose processing hook %s', async (_, onStart, onEnd, retries) => {
    @Controller()
    class Plain {
      @EventPattern(stream.subject('a'), { durable, backoffMs: [10] })
      on(payload: unknown): void {
        seen.push(payload);
      }
    }
    const errors = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const { server, settled } = await start(Plain);
    let starts = 0;
    server.setOnProcessingStartHook((transport, context, done) =>
      ++starts === 1 ? onStart(transport, context, done) : void done(),
    );
    server.setOnProcessingEndHook(onEnd);
    await bystander.publish(stream.subject('a'), '1');
    await waitFor('the end', () => settled.some(({ outcome }) => outcome === 'handled'));
    expect(seen).toEqual([1]);
    expect(settled.filter(({ outcome }) => outcome === 'retried')).toHaveLength(retries);
    expect(errors).toHaveBeenCalledTimes(1 - retries);
  });

  it('run the hook at the end of processing also when there is none at the start', async () => {
    @Controller()
    class Plain {
      @EventPattern(stream.subject('a'), { durable })
      on(): void {}
    }
    const { server } = await start(Plain);
    server.setOnProcessingEndHook((_, context) => seen.push(context));
    await bystander.publish(stream.subject('a'), '1');
    await waitFor('the hook', () => seen.length === 1);
    expect(seen[0]).toBeInstanceOf(JetStreamContext);
  });

  it('make a controller for each message in the scope of a request, and keep its errors', async () => {
    @Controller({ scope: Scope.REQUEST })
    class Scoped {
      private calls = 0;

      @EventPattern(stream.subject('a'), { durable })
      on(@Payload() payload: unknown): void {
        if (payload === 'forbidden') throw new ForbiddenTenantError('not your tenant');
        seen.push([payload, ++this.calls]);
      }
    }
    await start(Scoped);
    for (const body of ['1', '2', '"forbidden"']) await bystander.publish(stream.subject('a'), body);
    expect((await firstLetter())?.header('dead-letter-class')).toBe('ForbiddenTenantError');
    expect(seen).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it('take every version of an event with @OnEvent', async () => {
    const type = { name: stream.subject('created'), decode: (wire: unknown) => wire as { n: number } };

    @Controller()
    class Versioned {
      @OnEvent(type, { durable })
      on(event: { n: number }, context: JetStreamContext): void {
        seen.push([event.n, context.subject]);
      }
    }
    await start(Versioned);
    for (const version of ['v1', 'v2']) await bystander.publish(`${type.name}.${version}`, '{"n":1}');
    await waitFor('both versions', () => seen.length === 2);
    expect(seen).toEqual([
      [1, `${type.name}.v1`],
      [1, `${type.name}.v2`],
    ]);
  });

  it('take the events of a batch with @OnEvent', async () => {
    const type = { name: stream.subject('created'), decode: (wire: unknown) => wire as { n: number } };

    @Controller()
    class Batched {
      @OnEvent(type, { durable, batch: { size: 10, lingerMs: 50 } })
      on(events: readonly { n: number }[], { messages }: JetStreamBatchContext): void {
        events.forEach(({ n }, index) => seen.push([n, messages[index]?.subject]));
      }
    }
    await start(Batched);
    for (const n of [1, 2]) await bystander.publish(`${type.name}.v${n}`, JSON.stringify({ n }));
    await waitFor('both events', () => seen.length === 2);
    expect(seen).toEqual([
      [1, `${type.name}.v1`],
      [2, `${type.name}.v2`],
    ]);
  });

  it('pass the global pipes and filters of the microservice, and none of HTTP', async () => {
    @Controller()
    class Failing {
      @EventPattern(stream.subject('a'), { durable })
      on(@Payload() payload: unknown): void {
        seen.push(payload);
        throw new RangeError('caught');
      }
    }
    @Catch(RangeError)
    class RangeFilter implements RpcExceptionFilter<RangeError> {
      catch(error: RangeError): Observable<unknown> {
        seen.push(error.message);
        return of(undefined);
      }
    }
    const app = (await buildTestModule(stream, [Failing])).createNestApplication(new FastifyAdapter());
    apps.push(app);
    app.useGlobalPipes({ transform: (value: unknown) => `http ${String(value)}` });
    const microservice = connectJetStream(app);
    microservice.useGlobalPipes({
      transform: (value, { type }) => (type === 'body' ? `event ${value}` : value),
    });
    microservice.useGlobalFilters(new RangeFilter());
    await app.init();
    await app.startAllMicroservices();
    await bystander.publish(stream.subject('a'), '1');
    await waitFor('the filter', () => seen.length === 2);
    expect(seen).toEqual(['event 1', 'caught']);
  });

  it('say so when an application attached the transport without what keeps their errors', async () => {
    @Controller()
    class Failing {
      @EventPattern(stream.subject('a'), { durable, maxDeliver: 1 })
      on(): void {
        throw new ForbiddenTenantError('not your tenant');
      }
    }
    const app = (await buildTestModule(stream, [Failing])).createNestApplication(new FastifyAdapter(), {
      logger: ['fatal'],
    });
    apps.push(app);
    app.connectMicroservice({ strategy: app.get(JetStreamServer) });
    await app.init();
    await app.startAllMicroservices();
    await bystander.publish(stream.subject('a'), '1');
    const letter = await firstLetter();
    expect(letter?.header('dead-letter-code')).toBe('JS_ERROR_REPLACED');
    expect(letter?.header('dead-letter-message')).toContain(
      'attach the transport with connectJetStream(app)',
    );
  });

  it('work in a microservice without HTTP', async () => {
    @Controller()
    class Failing {
      @EventPattern(stream.subject('a'), { durable })
      on(): void {
        throw new ForbiddenTenantError('not your tenant');
      }
    }
    const options: AsyncMicroserviceOptions = {
      inject: [JetStreamServer],
      useFactory: (strategy: JetStreamServer) => ({ strategy }),
    };
    const module = await buildTestModule(stream, [Failing]);
    const app = module.createNestMicroservice({ ...options, logger: ['fatal'] });
    apps.push(app as unknown as INestApplication);
    app.useGlobalFilters(new ErrorIdentityFilter());
    await app.listen();
    await bystander.publish(stream.subject('a'), '1');
    expect((await firstLetter())?.header('dead-letter-class')).toBe('ForbiddenTenantError');
  });

  it('run in the transport they are declared for when an application has several', async () => {
    const core = uniqueName('core');
    @Controller()
    class Both {
      @EventPattern(stream.subject('a'), { durable })
      onStream(@Payload() payload: unknown): void {
        seen.push(['stream', payload]);
      }

      @NestEventPattern(core, Transport.NATS)
      onCore(@Payload() payload: unknown): void {
        seen.push(['core', payload]);
      }
    }
    const app = (await buildTestModule(stream, [Both])).createNestApplication(new FastifyAdapter(), {
      logger: ['fatal'],
    });
    apps.push(app);
    connectJetStream(app);
    app.connectMicroservice({ transport: Transport.NATS, options: { servers: [natsUrl()] } });
    await app.init();
    await app.startAllMicroservices();
    // Nest does not wait until the server knows of its subscription: what comes earlier is lost.
    await waitFor('the core handler', () => {
      bystander.nc.publish(core, JSON.stringify({ pattern: core, data: 1 }));
      return seen.length > 0;
    });
    await bystander.publish(stream.subject('a'), '2');
    await waitFor('the handler of the stream', () => seen.some((call) => String(call).startsWith('stream')));
    expect(new Set(seen.map((call) => JSON.stringify(call)))).toEqual(
      new Set(['["core",1]', '["stream",2]']),
    );
  });

  it('let configuration win over the decorator', async () => {
    @Controller()
    class Configured {
      @EventPattern(stream.subject('a'), { durable, maxDeliver: 5, backoffMs: [60_000] })
      on(): void {
        throw new Error('always');
      }
    }
    await start(Configured, { handlers: { [durable]: { maxDeliver: 2, backoffMs: [10] } } });
    await bystander.publish(stream.subject('a'), '1');
    expect((await firstLetter())?.header('dead-letter-attempts')).toBe('2');
  });

  it('refuse configuration for a durable that no handler declares', async () => {
    @Controller()
    class Plain {
      @EventPattern(stream.subject('a'), { durable })
      on(): void {}
    }
    await expect(startTestApp(stream, [Plain], { handlers: { typo: { concurrency: 1 } } })).rejects.toThrow(
      /handlers\.typo configures no declared durable; there are/,
    );
  });
});
