import { Controller, Get, Inject, Injectable, Module } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { SpanReceiver } from '@slipstream/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MessageObserver } from './message.observer.js';
import { ObservabilityModule } from './observability.module.js';

// Its requests are no news for whoever runs the tests.
process.env['LOG_LEVEL'] = 'silent';

@Injectable()
class Feature {
  constructor(@Inject(MessageObserver) readonly observer: MessageObserver) {}
}

@Controller()
class ThingsController {
  @Get('things/:id')
  thing(): string {
    return 'thing';
  }

  @Get('traced/:id')
  traced(): string {
    return 'traced';
  }
}

@Module({ providers: [Feature], controllers: [ThingsController] })
class FeatureModule {}

@Module({ imports: [ObservabilityModule.forRoot({ service: 'payment-service' }), FeatureModule] })
class RootModule {}

describe('observability module', () => {
  let app: NestFastifyApplication;
  let receiver: SpanReceiver;

  beforeAll(async () => {
    receiver = await SpanReceiver.start();
    Object.assign(process.env, receiver.environment);
    const module = await Test.createTestingModule({ imports: [RootModule] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });

  afterAll(async () => {
    await app.close();
    await receiver.stop();
  });

  it('serves the metrics of Node and of the transport, labelled with the service', async () => {
    app
      .get(Feature)
      .observer.published({ subject: 'a.b.c', messageId: 'm', durationMs: 1, duplicate: false });
    const response = await app.inject('/metrics');
    expect(response.headers['content-type']).toContain('application/openmetrics-text');
    expect(response.body).toMatch(/^nodejs_eventloop_lag_seconds\{service="payment-service"\}/m);
    expect(response.body).toContain(
      'nats_messages_published_total{subject="a.b.c",service="payment-service"} 1',
    );
  });

  it('measures requests by route, whatever ids are in their paths, and says what no route answers', async () => {
    for (const path of ['/things/1', '/things/2', '/nowhere/3', '/nowhere/4']) await app.inject(path);
    await app.inject({ method: 'PROPFIND', url: '/things/5' });
    const { body } = await app.inject('/metrics');
    const counts = body.match(/^http_server_request_duration_seconds_count\{.*$/gm)?.toSorted();
    expect(counts).toEqual([
      'http_server_request_duration_seconds_count{service="payment-service",method="GET",route="/things/:id",status="200"} 2',
      'http_server_request_duration_seconds_count{service="payment-service",method="GET",route="unmatched",status="404"} 2',
      'http_server_request_duration_seconds_count{service="payment-service",method="other",route="unmatched",status="404"} 1',
    ]);
  });

  it('names the trace of a request as exemplar, when it is recorded', async () => {
    const get = (path: string, traceId: string, flags: string) =>
      app.inject({ url: path, headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}` } });
    await get('/traced/1', '4bf92f3577b34da6a3ce929d0e0e4736', '01');
    await get('/traced/2', '5bf92f3577b34da6a3ce929d0e0e4737', '00');
    const { body } = await app.inject('/metrics');
    expect(body).toMatch(/route="\/traced\/:id".*# \{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"\}/);
    expect(body).not.toContain('5bf92f3577b34da6a3ce929d0e0e4737');
  });

  it('can be set up again in one process', () => {
    expect(() => ObservabilityModule.forRoot({ service: 'order-service' })).not.toThrow();
  });
});
