import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Catch, Controller, type RpcExceptionFilter } from '@nestjs/common';
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
  JetStreamServer,
  TerminalError,
} from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';
import { type Observable, of } from 'rxjs';
import { HandlerScene } from './handler-scene.js';
import { buildTestModule, startTestApp } from './harness.js';

class ForbiddenTenantError extends TerminalError {
  override readonly code = 'FORBIDDEN_TENANT';
}

describe('handlers of an application', () => {
  const scene = new HandlerScene();
  let seen: unknown[];

  beforeEach(async () => {
    seen = [];
    await scene.set();
  });

  afterEach(async () => {
    await scene.clear();
  });

  it('pass the global pipes and filters of the microservice, and none of HTTP', async () => {
    @Controller()
    class Failing {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
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
    const app = (await buildTestModule(scene.stream, [Failing])).createNestApplication(new FastifyAdapter());
    scene.adopt(app);
    app.useGlobalPipes({ transform: (value: unknown) => `http ${String(value)}` });
    const microservice = connectJetStream(app);
    microservice.useGlobalPipes({
      transform: (value, { type }) => (type === 'body' ? `event ${value}` : value),
    });
    microservice.useGlobalFilters(new RangeFilter());
    await app.init();
    await app.startAllMicroservices();
    await scene.publish(1);
    await waitFor('the filter', () => seen.length === 2);
    expect(seen).toEqual(['event 1', 'caught']);
  });

  it('say so when an application attached the transport without what keeps their errors', async () => {
    @Controller()
    class Failing {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable, maxDeliver: 1 })
      on(): void {
        throw new ForbiddenTenantError('not your tenant');
      }
    }
    const app = (await buildTestModule(scene.stream, [Failing])).createNestApplication(new FastifyAdapter(), {
      logger: ['fatal'],
    });
    scene.adopt(app);
    app.connectMicroservice({ strategy: app.get(JetStreamServer) });
    await app.init();
    await app.startAllMicroservices();
    await scene.publish(1);
    const letter = await scene.firstLetter();
    expect(letter.header('dead-letter-code')).toBe('JS_ERROR_REPLACED');
    expect(letter.header('dead-letter-message')).toContain('attach the transport with connectJetStream(app)');
  });

  it('work in a microservice without HTTP', async () => {
    @Controller()
    class Failing {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
      on(): void {
        throw new ForbiddenTenantError('not your tenant');
      }
    }
    const options: AsyncMicroserviceOptions = {
      inject: [JetStreamServer],
      useFactory: (strategy: JetStreamServer) => ({ strategy }),
    };
    const module = await buildTestModule(scene.stream, [Failing]);
    const app = module.createNestMicroservice({ ...options, logger: ['fatal'] });
    scene.adopt(app);
    app.useGlobalFilters(new ErrorIdentityFilter());
    await app.listen();
    await scene.publish(1);
    expect((await scene.firstLetter()).header('dead-letter-class')).toBe('ForbiddenTenantError');
  });

  it('run in the transport they are declared for when an application has several', async () => {
    const core = uniqueName('core');
    @Controller()
    class Both {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
      onStream(@Payload() payload: unknown): void {
        seen.push(['stream', payload]);
      }

      @NestEventPattern(core, Transport.NATS)
      onCore(@Payload() payload: unknown): void {
        seen.push(['core', payload]);
      }
    }
    const app = (await buildTestModule(scene.stream, [Both])).createNestApplication(new FastifyAdapter(), {
      logger: ['fatal'],
    });
    scene.adopt(app);
    connectJetStream(app);
    app.connectMicroservice({ transport: Transport.NATS, options: { servers: [natsUrl()] } });
    await app.init();
    await app.startAllMicroservices();
    // Nest does not wait until the server knows of its subscription: what comes earlier is lost.
    await waitFor('the core handler', () => {
      scene.bystander.nc.publish(core, JSON.stringify({ pattern: core, data: 1 }));
      return seen.length > 0;
    });
    await scene.publish(2);
    await waitFor('the handler of the stream', () => seen.some((call) => String(call).startsWith('stream')));
    expect(new Set(seen.map((call) => JSON.stringify(call)))).toEqual(
      new Set(['["core",1]', '["stream",2]']),
    );
  });

  it('let configuration win over the decorator', async () => {
    @Controller()
    class Configured {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable, maxDeliver: 5, backoffMs: [60_000] })
      on(): void {
        throw new Error('always');
      }
    }
    await scene.start(Configured, { handlers: { [scene.durable]: { maxDeliver: 2, backoffMs: [10] } } });
    await scene.publish(1);
    expect((await scene.firstLetter()).header('dead-letter-attempts')).toBe('2');
  });

  it('refuse configuration for a durable that no handler declares', async () => {
    @Controller()
    class Plain {
      @EventPattern(scene.stream.subject('a'), { durable: scene.durable })
      on(): void {}
    }
    await expect(
      startTestApp(scene.stream, [Plain], { handlers: { typo: { concurrency: 1 } } }),
    ).rejects.toThrow(/handlers\.typo configures no declared durable; there are/);
  });
});
