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
  type NestInterceptor,
  type RpcExceptionFilter,
} from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamBatchContext,
  JetStreamContext,
  JetStreamServer,
  OnEvent,
  TerminalError,
} from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { map, type Observable, of, tap } from 'rxjs';
import { HandlerScene } from './handler-scene.js';

type Hook = Parameters<JetStreamServer['setOnProcessingStartHook']>[0];

function throwing(): never {
  throw new Error('no tracer');
}

class ForbiddenTenantError extends TerminalError {
  override readonly code = 'FORBIDDEN_TENANT';
}

describe('Nest features on handlers', () => {
  const scene = new HandlerScene();
  let seen: unknown[];

  beforeEach(async () => {
    seen = [];
    await scene.set();
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await scene.clear();
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
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
      on(@Payload() payload: unknown): void {
        seen.push(payload);
      }
    }
    await scene.start(Guarded);
    await scene.publish('forbidden');
    await scene.publish('welcome');
    const letter = await scene.firstLetter();
    expect(letter.header('dead-letter-code')).toBe('FORBIDDEN_TENANT');
    expect(letter.header('dead-letter-class')).toBe('ForbiddenTenantError');
    expect(letter.header('dead-letter-message')).toBe('not your tenant');
    await waitFor('the other message', () => seen.length === 1);
    expect(seen).toEqual(['welcome']);
  });

  it('let a pipe transform the payload and refuse an invalid one at the first attempt', async () => {
    @Controller()
    class Piped {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
      on(@Payload('quantity', ParseIntPipe) quantity: number): void {
        seen.push(quantity);
      }
    }
    const { settled } = await scene.start(Piped);
    await scene.publish({ quantity: '12' });
    await scene.publish({ quantity: 'many' });
    expect((await scene.firstLetter()).header('dead-letter-class')).toBe(BadRequestException.name);
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
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
      on(): Observable<string> {
        return of('handled').pipe(map((value) => seen.push(value).toString()));
      }
    }
    await scene.start(Intercepted);
    await scene.publish(1);
    await scene.acked(1);
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
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
      on(): void {
        throw new RangeError('caught');
      }
    }
    await scene.start(Filtered);
    await scene.publish(1);
    await scene.acked(1);
    expect(seen).toEqual(['caught']);
    expect(await scene.letters()).toEqual([]);
  });

  it('run the processing hooks of instrumentation around every message, once each', async () => {
    @Controller()
    class Plain {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable, backoffMs: [10] })
      on(payload: unknown): void {
        seen.push(payload);
        if (seen.filter((entry) => entry === 1).length === 1) throw new Error('first attempt');
      }
    }
    const hooks: string[] = [];
    const { server } = await scene.start(Plain);
    server.setOnProcessingStartHook((_, __, done) => {
      hooks.push('start');
      void done();
    });
    server.setOnProcessingEndHook(() => hooks.push('end'));
    await scene.publish(1);
    await scene.acked(1);
    expect(hooks).toEqual(['start', 'end', 'start', 'end']);
  });

  it.each<[string, Hook, () => void, number]>([
    ['throws before the handler', throwing, () => undefined, 1],
    ['rejects before the handler', async () => throwing(), () => undefined, 1],
    ['throws after the handler', (_, __, done) => void done(), throwing, 0],
  ])('settle the message whose processing hook %s', async (_, onStart, onEnd, retries) => {
    @Controller()
    class Plain {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable, backoffMs: [10] })
      on(payload: unknown): void {
        seen.push(payload);
      }
    }
    const errors = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const { server, settled } = await scene.start(Plain);
    let starts = 0;
    server.setOnProcessingStartHook((transport, context, done) =>
      ++starts === 1 ? onStart(transport, context, done) : void done(),
    );
    server.setOnProcessingEndHook(onEnd);
    await scene.publish(1);
    await waitFor('the end', () => settled.some(({ outcome }) => outcome === 'handled'));
    expect(seen).toEqual([1]);
    expect(settled.filter(({ outcome }) => outcome === 'retried')).toHaveLength(retries);
    expect(errors).toHaveBeenCalledTimes(1 - retries);
  });

  it('run the hook at the end of processing also when there is none at the start', async () => {
    @Controller()
    class Plain {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
      on(): void {}
    }
    const { server } = await scene.start(Plain);
    server.setOnProcessingEndHook((_, context) => seen.push(context));
    await scene.publish(1);
    await waitFor('the hook', () => seen.length === 1);
    expect(seen[0]).toBeInstanceOf(JetStreamContext);
  });

  it('make a controller for each message in the scope of a request, and keep its errors', async () => {
    @Controller({ scope: Scope.REQUEST })
    class Scoped {
      private calls = 0;

      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
      on(@Payload() payload: unknown): void {
        if (payload === 'forbidden') throw new ForbiddenTenantError('not your tenant');
        seen.push([payload, ++this.calls]);
      }
    }
    await scene.start(Scoped);
    await scene.publish(1, 2, 'forbidden');
    expect((await scene.firstLetter()).header('dead-letter-class')).toBe('ForbiddenTenantError');
    expect(seen).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it('take every version of an event with @OnEvent', async () => {
    const type = { name: scene.stream.subject('created'), decode: (wire: unknown) => wire as { n: number } };

    @Controller()
    class Versioned {
      @OnEvent(type, { durable: scene.durable })
      on(event: { n: number }, context: JetStreamContext): void {
        seen.push([event.n, context.subject]);
      }
    }
    await scene.start(Versioned);
    for (const version of ['v1', 'v2']) await scene.bystander.publish(`${type.name}.${version}`, '{"n":1}');
    await waitFor('both versions', () => seen.length === 2);
    expect(seen).toEqual([
      [1, `${type.name}.v1`],
      [1, `${type.name}.v2`],
    ]);
  });

  it('take the events of a batch with @OnEvent', async () => {
    const type = { name: scene.stream.subject('created'), decode: (wire: unknown) => wire as { n: number } };

    @Controller()
    class Batched {
      @OnEvent(type, { durable: scene.durable, batch: { size: 10, lingerMs: 50 } })
      on(events: readonly { n: number }[], { messages }: JetStreamBatchContext): void {
        events.forEach(({ n }, index) => seen.push([n, messages[index]?.subject]));
      }
    }
    await scene.start(Batched);
    for (const n of [1, 2]) await scene.bystander.publish(`${type.name}.v${n}`, JSON.stringify({ n }));
    await waitFor('both events', () => seen.length === 2);
    expect(seen).toEqual([
      [1, `${type.name}.v1`],
      [2, `${type.name}.v2`],
    ]);
  });
});
