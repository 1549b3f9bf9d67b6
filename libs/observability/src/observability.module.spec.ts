import { Inject, Injectable, Module } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MessageObserver } from './message.observer.js';
import { ObservabilityModule } from './observability.module.js';

@Injectable()
class Feature {
  constructor(@Inject(MessageObserver) readonly observer: MessageObserver) {}
}

@Module({ providers: [Feature] })
class FeatureModule {}

@Module({ imports: [ObservabilityModule.forRoot({ service: 'payment-service' }), FeatureModule] })
class RootModule {}

describe('observability module', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const module = await Test.createTestingModule({ imports: [RootModule] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });

  afterAll(() => app.close());

  it('serves the metrics of Node and of the transport, labelled with the service', async () => {
    app
      .get(Feature)
      .observer.published({ subject: 'a.b.c', messageId: 'm', durationMs: 1, duplicate: false });
    const response = await app.inject('/metrics');
    expect(response.headers['content-type']).toContain('text/plain');
    expect(response.body).toMatch(/^nodejs_eventloop_lag_seconds\{service="payment-service"\}/m);
    expect(response.body).toContain(
      'nats_messages_published_total{subject="a.b.c",service="payment-service"} 1',
    );
  });

  it('can be set up again in one process', () => {
    expect(() => ObservabilityModule.forRoot({ service: 'order-service' })).not.toThrow();
  });
});
