import { diag, DiagLogLevel, propagation } from '@opentelemetry/api';
import { followSampler } from '@slipstream/tracing';
import type { Logger } from 'pino';
import { Complaints } from './complaints.js';
import { assertTracingVariables, isDisabled, type TracingEnvironment } from './environment.js';

/** Either says where traces go. */
const DESTINATIONS = [
  'OTEL_TRACES_EXPORTER',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
];

/** A collector that does not answer must not hold up the end of the process. */
const FLUSH_MS = 3_000;

/** The traces of a process. */
export class Tracing {
  constructor(
    /** False: no span is made and no context carried on. */
    readonly isOn: boolean,
    private readonly end: () => Promise<void> = () => Promise.resolve(),
  ) {}

  /** Sends what was recorded, for three seconds at most. */
  async onApplicationShutdown(): Promise<void> {
    const tooLong = Promise.withResolvers<void>();
    const timer = setTimeout(tooLong.resolve, FLUSH_MS);
    await Promise.race([this.end(), tooLong.promise]).catch(() => undefined);
    clearTimeout(timer);
  }
}

/**
 * True when the environment says where traces go: an OTLP endpoint or an exporter. Without either, OpenTelemetry's
 * default would have every process complain every few seconds that no collector listens on this machine.
 */
export function isTracingWanted(env: TracingEnvironment): boolean {
  return !isDisabled(env) && DESTINATIONS.some((name) => env[name]?.trim());
}

/** The API knows one SDK in a process. */
let started: Promise<Tracing> | undefined;

/**
 * Sets up OpenTelemetry as its variables say, if they ask for it: OTLP over HTTP, unless `OTEL_TRACES_EXPORTER` names
 * `zipkin` or `console`, or `none` for ids in logs and headers that nobody records. Nothing of the SDK is loaded otherwise.
 * @throws TracingEnvironmentError when a variable is not valid
 */
export async function startTracing(
  service: string,
  log: Logger,
  env: TracingEnvironment = process.env,
): Promise<Tracing> {
  if (!isTracingWanted(env)) return new Tracing(false);
  assertTracingVariables(env);
  started ??= start(env['OTEL_SERVICE_NAME'] || service, log);
  return started;
}

async function start(serviceName: string, log: Logger): Promise<Tracing> {
  const { createSampler, createSdk, samplingOf } = await import('./sdk.js');
  const sampler = createSampler(process.env);
  const sdk = createSdk(serviceName, sampler);
  // After the SDK, which would have its complaints printed beside the log.
  const complaints = new Complaints((message) => log.warn({ message }, 'traces are in trouble'));
  const silent = () => undefined;
  const logger = {
    error: complaints.take,
    warn: complaints.take,
    info: silent,
    debug: silent,
    verbose: silent,
  };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  sdk.start();
  followSampler(samplingOf(sampler, propagation.fields()));
  const { traceOutgoingRequests } = await import('./outgoing-requests.js');
  traceOutgoingRequests();
  return new Tracing(true, () => sdk.shutdown());
}
