import { ROOT_CONTEXT, SpanKind } from '@opentelemetry/api';
import { envDetector, hostDetector, serviceInstanceIdDetector } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  NoopSpanProcessor,
  ParentBasedSampler,
  SamplingDecision,
  type IdGenerator,
  type Sampler,
  type SamplingResult,
} from '@opentelemetry/sdk-trace';
import { randomSpanId, randomTraceId, takeTraceId, type Sampling } from '@slipstream/tracing';
import { FrugalContextManager } from './context-manager.js';
import type { TracingEnvironment } from './environment.js';

/** The span of a batch links all its members; OpenTelemetry's own limit is 128. */
const MOST_LINKS = 1_000;

/** Of the 14 that are random as many as a number holds exactly. */
const RANDOM_DIGITS = 13;
const TRACE_ID_DIGITS = 32;
/** Headers of the propagators `tracecontext` and `baggage`. */
const W3C: readonly string[] = ['traceparent', 'tracestate', 'baggage'];

/** Reads exporters, limits and propagators from the variables of OpenTelemetry. Traces only. */
export function createSdk(serviceName: string, sampler: Sampler): NodeSDK {
  return new NodeSDK({
    serviceName,
    sampler,
    idGenerator: new DerivedIdGenerator(),
    contextManager: new FrugalContextManager(),
    // Not the detector of the process: its command line may hold a secret.
    resourceDetectors: [serviceInstanceIdDetector, hostDetector, envDetector],
    ...(!process.env['OTEL_SPAN_LINK_COUNT_LIMIT'] && { spanLimits: { linkCountLimit: MOST_LINKS } }),
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
    // Without a processor the SDK would make no ids either.
    ...(!isExported(process.env) && { spanProcessors: [new NoopSpanProcessor()] }),
  });
}

/** The sampler that the environment asks for. Whether it records a trace that begins here follows from the trace's id. */
export function createSampler(env: TracingEnvironment): Sampler {
  // What goes nowhere is not recorded: that costs a third of a service.
  if (!isExported(env)) return new AlwaysOffSampler();
  const name = env['OTEL_TRACES_SAMPLER']?.trim() || 'parentbased_always_on';
  const root = createRootSampler(name, env);
  return name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}

function createRootSampler(name: string, { OTEL_TRACES_SAMPLER_ARG }: TracingEnvironment): Sampler {
  if (name.endsWith('always_off')) return new AlwaysOffSampler();
  if (name.endsWith('always_on')) return new AlwaysOnSampler();
  return new RandomBitsSampler(Number(OTEL_TRACES_SAMPLER_ARG?.trim() || 1));
}

const RECORD: SamplingResult = { decision: SamplingDecision.RECORD_AND_SAMPLED };
const DO_NOT_RECORD: SamplingResult = { decision: SamplingDecision.NOT_RECORD };

/**
 * Records a share of traces by the random bits at the end of their ids, as W3C Trace Context (level 2) lays them out and
 * OpenTelemetry compares them: the same traces everywhere, and the more of them the larger the share. The SDK's own
 * sampler looks at all digits twice, for each request.
 */
class RandomBitsSampler implements Sampler {
  /** Digits of one length compare as their numbers do. */
  private readonly least: string;

  constructor(private readonly share: number) {
    const least = Math.ceil((1 - share) * 16 ** RANDOM_DIGITS);
    // A share of nothing: beyond all digits.
    this.least = least === 16 ** RANDOM_DIGITS ? 'g' : least.toString(16).padStart(RANDOM_DIGITS, '0');
  }

  shouldSample(_parent: unknown, traceId: string): SamplingResult {
    return traceId.slice(TRACE_ID_DIGITS - RANDOM_DIGITS).toLowerCase() >= this.least
      ? RECORD
      : DO_NOT_RECORD;
  }

  toString(): string {
    return `RandomBitsSampler{${this.share}}`;
  }
}

/**
 * What a sampler decides, for those who ask before there is a span.
 * @param propagated headers by which traces are carried on: a `traceparent` that is none of them says nothing
 */
export function samplingOf(sampler: Sampler, propagated: readonly string[]): Sampling {
  const isBoundToParents = sampler instanceof ParentBasedSampler || sampler instanceof AlwaysOffSampler;
  return {
    heedsParents: isBoundToParents && propagated.includes('traceparent'),
    carriesTraceparent: propagated.includes('traceparent') && propagated.every((name) => W3C.includes(name)),
    recordsRoot: (traceId) =>
      sampler.shouldSample(ROOT_CONTEXT, traceId, '', SpanKind.INTERNAL, {}, []).decision !==
      SamplingDecision.NOT_RECORD,
  };
}

function isExported({ OTEL_TRACES_EXPORTER }: TracingEnvironment): boolean {
  return OTEL_TRACES_EXPORTER?.trim() !== 'none';
}

/** Random ids, except for traces whose id follows from what they begin with. */
class DerivedIdGenerator implements IdGenerator {
  readonly generateTraceId = (): string => takeTraceId() ?? randomTraceId();
  readonly generateSpanId = randomSpanId;
}
