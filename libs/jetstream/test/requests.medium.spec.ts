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
} from '@nestjs/common';
import { Ctx, NatsContext, Payload, RpcException } from '@nestjs/microservices';
import { JetStreamClient, MessagePattern, RequestContext } from '@slipstream/jetstream';
import { headers as createHeaders } from '@nats-io/transport-node';
import { natsUrl } from '@slipstream/testing';
import * as legacy from 'nats';
import { concat, firstValueFrom, lastValueFrom, map, of, throwError, toArray, type Observable } from 'rxjs';
import { RequestScene, type Answer } from './request-scene.js';
import { publishRaw, type TestApp } from './harness.js';

describe('requests', () => {
  const scene = new RequestScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  describe('are answered alike', () => {
    const askers: [string, (app: TestApp) => (data: unknown) => Observable<unknown>][] = [
      ["by Nest's ClientNats", () => (data) => scene.nestClient().send(scene.subject, data)],
      [
        'by our own client',
        ({ app }) =>
          (data) =>
            app.get(JetStreamClient).send(scene.subject, data),
      ],
    ];

    it.each(askers)('with a value %s', async (_, asker) => {
      const send = asker(
        await scene.start(scene.answering((numbers: number[]) => numbers.reduce((a, b) => a + b, 0))),
      );
      expect(await lastValueFrom(send([1, 2, 3]).pipe(toArray()))).toEqual([6]);
    });

    it.each(askers)('with several values %s', async (_, asker) => {
      const send = asker(
        await scene.start(scene.answering((to: number) => of(...Array.from({ length: to }, (__, i) => i)))),
      );
      expect(await lastValueFrom(send(4).pipe(toArray()))).toEqual([0, 1, 2, 3]);
    });

    it.each(askers)('with values and then an error %s', async (_, asker) => {
      const send = asker(
        await scene.start(
          scene.answering(() =>
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
      const send = asker(await scene.start(scene.answering(() => undefined)));
      expect(await lastValueFrom(send({}).pipe(toArray()))).toEqual([undefined]);
    });

    it.each(askers)('with the content of an RpcException %s', async (_, asker) => {
      const send = asker(
        await scene.start(
          scene.answering((data: unknown) => {
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
        await scene.start(
          scene.answering((kind: unknown) => {
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
      @MessagePattern({ cmd: scene.subject })
      command(@Payload() payload: unknown): unknown {
        return ['command', payload];
      }

      @MessagePattern(`${scene.subject}.*.get`)
      wildcard(@Ctx() context: RequestContext): unknown {
        return context.subject;
      }
    }
    const { app } = await scene.start(Patterns);
    const client = app.get(JetStreamClient);
    expect(await firstValueFrom(client.send({ cmd: scene.subject }, 1))).toEqual(['command', 1]);
    expect(await firstValueFrom(scene.nestClient().send({ cmd: scene.subject }, 2))).toEqual(['command', 2]);
    expect(await firstValueFrom(client.send(`${scene.subject}.o-1.get`, 1))).toBe(`${scene.subject}.o-1.get`);
  });

  it('are answered to the request() of plain clients, with a packet, other JSON or nothing', async () => {
    await scene.start(scene.answering((payload: unknown) => ({ got: payload ?? 'nothing' })));
    expect(await scene.ask(scene.packet(1))).toEqual({ response: { got: 1 }, isDisposed: true, id: 'r-1' });
    expect(await scene.ask('{"data":2}')).toEqual({ response: { got: 2 }, isDisposed: true });
    expect(await scene.ask('{"n":3}')).toEqual({ response: { got: { n: 3 } }, isDisposed: true });
    expect(await scene.ask('null')).toEqual({ response: { got: 'nothing' }, isDisposed: true });
    expect(await scene.ask('')).toEqual({ response: { got: 'nothing' }, isDisposed: true });
    const old = await legacy.connect({ servers: natsUrl() });
    scene.adopt(old);
    const answer = await old.request(scene.subject, scene.packet('legacy'), { timeout: 5_000 });
    expect(answer.json()).toEqual({ response: { got: 'legacy' }, isDisposed: true, id: 'r-1' });
  });

  it('that nobody can read get an error, and the next ones an answer', async () => {
    await scene.start(scene.answering((payload: unknown) => payload));
    const malformed = { err: { status: 'error', message: 'The request is no JSON' }, isDisposed: true };
    for (const body of ['{broken', 'text', '\u0000']) expect(await scene.ask(body)).toEqual(malformed);
    const bytes = await scene.bystander.nc.request(scene.subject, Buffer.from([0xff, 0xfe]), {
      timeout: 5_000,
    });
    expect(bytes.json()).toEqual(malformed);
    const deep = '['.repeat(5_000) + ']'.repeat(5_000);
    expect(await scene.ask(`{"pattern":${deep},"data":1,"id":{"not":"a string"}}`)).toEqual({
      response: 1,
      isDisposed: true,
    });
    await publishRaw(scene.subject, 'NATS/1.0\r\nbad name here: x\r\n\r\n', '{}');
    expect(await scene.ask(scene.packet(2))).toMatchObject({ response: 2 });
  });

  it('whose answer cannot be written get an error', async () => {
    await scene.start(
      scene.answering((kind: string) =>
        kind === 'large' ? 'x'.repeat(2 * 1024 * 1024) : { big: BigInt(1) },
      ),
    );
    for (const kind of ['large', 'unwritable']) {
      expect(await scene.ask(scene.packet(kind))).toEqual({
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
      @MessagePattern(scene.subject)
      on(@Payload('n', ParseIntPipe) n: number): number {
        if (n > 100) throw new RangeError('at most 100');
        return n;
      }
    }
    await scene.start(Guarded);
    expect(await scene.ask(scene.packet({ n: '21' }))).toMatchObject({ response: 42 });
    expect(await scene.ask(scene.packet({ n: 'many' }))).toMatchObject({
      err: { status: 'error', statusCode: 400, error: 'Bad Request' },
    });
    expect(await scene.ask(scene.packet({ n: '101' }))).toMatchObject({
      err: { status: 'error', message: 'at most 100', code: 'OUT_OF_RANGE' },
    });
    const headers = createHeaders();
    headers.set('x-member', 'no');
    const refused = await scene.bystander.nc.request(scene.subject, scene.packet({ n: '1' }), {
      headers,
      timeout: 5_000,
    });
    expect(refused.json<Answer>().err).toEqual({ status: 'error', message: 'Forbidden resource' });
  });

  it('have a context that is one of Nest too, and may be handled in a scope of their own', async () => {
    @Controller({ scope: Scope.REQUEST })
    class Scoped {
      @MessagePattern(scene.subject)
      on(@Ctx() context: RequestContext): unknown {
        const tenant = context.headers?.get('x-tenant');
        return [context instanceof NatsContext, context.getSubject(), tenant, context.signal.aborted];
      }
    }
    await scene.start(Scoped);
    const headers = createHeaders();
    headers.set('x-tenant', 'acme');
    const answer = await scene.bystander.nc.request(scene.subject, scene.packet(1), {
      headers,
      timeout: 5_000,
    });
    expect(answer.json<Answer>().response).toEqual([true, scene.subject, 'acme', false]);
  });

  it('of an invalid payload carry what the pipe says of it', async () => {
    await scene.start(
      scene.answering(() => {
        throw new BadRequestException(['quantity must be positive']);
      }),
    );
    expect((await scene.ask(scene.packet(1))).err).toEqual({
      status: 'error',
      statusCode: 400,
      error: 'Bad Request',
      message: ['quantity must be positive'],
    });
  });
});
