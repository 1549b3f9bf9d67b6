import { envDetector, hostDetector, serviceInstanceIdDetector } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  AlwaysOffSampler,
  NoopSpanProcessor,
  RandomIdGenerator,
  type IdGenerator,
} from '@opentelemetry/sdk-trace';
import { takeTraceId } from '@slipstream/tracing';
import { FrugalContextManager } from './context-manager.js';

/** The span of a batch links all its members; OpenTelemetry's own limit is 128. */
const MOST_LINKS = 1_000;

/** Reads exporters, sampler, limits and propagators from the variables of OpenTelemetry. Traces only. */
export function createSdk(serviceName: string): NodeSDK {
  const isExported = process.env['OTEL_TRACES_EXPORTER']?.trim() !== 'none';
  return new NodeSDK({
    serviceName,
    idGenerator: new DerivedIdGenerator(),
    contextManager: new FrugalContextManager(),
    // Not the detector of the process: its command line may hold a secret.
    resourceDetectors: [serviceInstanceIdDetector, hostDetector, envDetector],
    ...(!process.env['OTEL_SPAN_LINK_COUNT_LIMIT'] && { spanLimits: { linkCountLimit: MOST_LINKS } }),
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
    // Without a processor the SDK would make no ids either. What goes nowhere is not recorded: that costs a third of a service.
    ...(!isExported && { spanProcessors: [new NoopSpanProcessor()], sampler: new AlwaysOffSampler() }),
  });
}

/** Random ids, except for traces whose id follows from what they begin with. */
class DerivedIdGenerator implements IdGenerator {
  private readonly random = new RandomIdGenerator();

  readonly generateTraceId = (): string => takeTraceId() ?? this.random.generateTraceId();
  readonly generateSpanId = (): string => this.random.generateSpanId();
}
