import { Global, Inject, Module, type DynamicModule, type NestModule } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import type { FastifyInstance } from 'fastify';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import { register, Registry, type RegistryContentType } from 'prom-client';
import { InboxObserver } from './inbox.observer.js';
import { measureRequests, requestDurations } from './http-metrics.js';
import { createLog } from './log.js';
import { MessageObserver } from './message.observer.js';
import { MetricsController } from './metrics.controller.js';
import { logRequests, nestLogOptions } from './request-log.js';
import { serverMetrics } from './server-metrics.js';
import { RequestTracing } from './tracing/request-tracing.js';
import { startTracing, Tracing } from './tracing/tracing.js';
import { transportMetrics } from './transport-metrics.js';

export interface ObservabilityOptions {
  /** Name of the service, as in `payment-service`: a field of every log line and a label of every metric. */
  readonly service: string;
}

const LOG = Symbol('Log');

/** One of the metrics that prom-client collects by default; present means they are registered. */
const DEFAULT_METRIC = 'process_cpu_user_seconds_total';

/** Logs, traces, `GET /metrics` and the injectable `MessageObserver` of an app. Import it once, in the root module. */
@Global()
@Module({})
export class ObservabilityModule implements NestModule {
  constructor(
    private readonly host: HttpAdapterHost,
    @Inject(LOG) private readonly log: Logger,
    private readonly tracing: Tracing,
  ) {}

  static forRoot(options: ObservabilityOptions): DynamicModule {
    const log = createLog(options.service);
    // The format that has exemplars; the older one would leave them out.
    (register as Registry<RegistryContentType>).setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    return {
      module: ObservabilityModule,
      imports: [
        LoggerModule.forRoot(nestLogOptions(log)),
        PrometheusModule.register({
          controller: MetricsController,
          path: '/metrics',
          defaultLabels: { service: options.service },
          // The registry is that of the process: a second app in it would register the same metrics again.
          defaultMetrics: { enabled: register.getSingleMetric(DEFAULT_METRIC) === undefined },
        }),
      ],
      providers: [
        { provide: LOG, useValue: log },
        {
          provide: MessageObserver,
          useFactory: () => new MessageObserver(log, transportMetrics(), serverMetrics()),
        },
        { provide: Tracing, useFactory: () => startTracing(options.service, log) },
        { provide: InboxObserver, useFactory: () => new InboxObserver(log, register) },
      ],
      exports: [MessageObserver, InboxObserver, Tracing],
    };
  }

  configure(): void {
    if (this.host.httpAdapter?.getType() === 'fastify') {
      const instance = this.host.httpAdapter.getInstance<FastifyInstance>();
      const tracing = this.tracing.isOn ? new RequestTracing(instance) : undefined;
      logRequests(instance, this.log, tracing);
      measureRequests(instance, requestDurations(register), tracing);
    }
  }
}
