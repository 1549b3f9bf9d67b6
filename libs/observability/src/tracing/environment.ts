import { z } from 'zod';

const EXPORTERS = ['otlp', 'zipkin', 'console', 'none'] as const;
const PROTOCOLS = ['http/protobuf', 'http/json', 'grpc'] as const;
const PROPAGATORS = ['tracecontext', 'baggage', 'b3', 'b3multi', 'none'] as const;
const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

const oneOf = (names: readonly string[]) =>
  z.string().refine((name) => names.includes(name), `is none of ${names.join(', ')}`);
const listOf = (names: readonly string[]) =>
  z
    .string()
    .transform((text) => text.split(',').map((name) => name.trim()))
    .refine((list) => list.every((name) => names.includes(name)), `names others than ${names.join(', ')}`)
    .refine((list) => list.length === 1 || !list.includes('none'), 'has "none" beside others');
const number = (least: number, most: number, what: string) =>
  z.string().refine((text) => Number(text) >= least && Number(text) <= most, `is no ${what}`);
const milliseconds = number(1, 3_600_000, 'number of milliseconds from 1 to an hour');
const count = number(1, 1_000_000, 'number from 1 to a million');
const httpUrl = z
  .string()
  .refine(
    (text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''),
    'is no URL that begins with http:// or https://',
  );
const pairs = z
  .string()
  .regex(/^\s*[^=,\s]+\s*=[^,]*(,\s*[^=,\s]+\s*=[^,]*)*,?\s*$/, 'is not of the form name=value,name=value');

/** The variables of OpenTelemetry that decide about traces. Defaults are those of its SDK, which reads them itself. */
export const tracingVariables = z.object({
  OTEL_SDK_DISABLED: z
    .string()
    .regex(/^\s*(true|false)\s*$/i, 'is neither true nor false')
    .meta({ description: '`true` turns tracing off whatever else is set.', default: 'false' }),
  OTEL_TRACES_EXPORTER: listOf(EXPORTERS).meta({
    description:
      'Where spans go: `otlp`, `zipkin`, `console`, several with commas between them, or `none` for ids that nobody records. Turns tracing on.',
    default: 'otlp',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.meta({
    description:
      'Base URL of a collector; `/v1/traces` is added to it, unless spans go by gRPC. Turns tracing on.',
    default: 'http://localhost:4318',
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.describe('The same, as the whole URL.'),
  OTEL_EXPORTER_OTLP_PROTOCOL: oneOf(PROTOCOLS).meta({
    description: 'How spans are sent: `http/protobuf`, `http/json` or `grpc`.',
    default: 'http/protobuf',
  }),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: oneOf(PROTOCOLS).describe('The same, for traces alone.'),
  OTEL_EXPORTER_OTLP_HEADERS: pairs.describe(
    'Headers for the collector, such as `authorization=…`, with commas between them.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: pairs.describe('The same, for traces alone.'),
  OTEL_EXPORTER_OTLP_TIMEOUT: milliseconds.meta({
    description: 'Milliseconds that sending a batch of spans may take.',
    default: '10000',
  }),
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: milliseconds.describe('The same, for traces alone.'),
  OTEL_EXPORTER_ZIPKIN_ENDPOINT: httpUrl.meta({
    description: 'URL of a Zipkin.',
    default: 'http://localhost:9411/api/v2/spans',
  }),
  OTEL_TRACES_SAMPLER: oneOf(SAMPLERS).meta({
    description:
      'Which traces are recorded: `always_on`, `always_off`, `traceidratio`, or one of these after `parentbased_`, which heeds what the caller decided.',
    default: 'parentbased_always_on',
  }),
  OTEL_TRACES_SAMPLER_ARG: number(0, 1, 'number from 0 to 1').meta({
    description: 'Share of the traces that `traceidratio` records, from 0 to 1.',
    default: '1',
  }),
  OTEL_PROPAGATORS: listOf(PROPAGATORS).meta({
    description:
      'Formats of the context in headers: `tracecontext`, `baggage`, `b3`, `b3multi`, with commas between them, or `none`.',
    default: 'tracecontext,baggage',
  }),
  OTEL_RESOURCE_ATTRIBUTES: pairs.describe('Further attributes of the process, as `name=value,name=value`.'),
  OTEL_BSP_SCHEDULE_DELAY: milliseconds.meta({
    description: 'Milliseconds for which spans are gathered before they are sent.',
    default: '5000',
  }),
  OTEL_BSP_EXPORT_TIMEOUT: milliseconds.meta({
    description: 'Milliseconds after which sending is given up.',
    default: '30000',
  }),
  OTEL_BSP_MAX_QUEUE_SIZE: count.meta({
    description: 'Spans that may wait to be sent; more are dropped.',
    default: '2048',
  }),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: count.meta({ description: 'Spans that are sent at once.', default: '512' }),
});

/** As in `process.env`; a blank variable counts as unset, as in the specification. */
export type TracingEnvironment = Readonly<Record<string, string | undefined>>;

/** A variable of OpenTelemetry is not valid. `message` names each that is not and why, on one line and without its value. */
export class TracingEnvironmentError extends Error {
  override readonly name = 'TracingEnvironmentError';
  readonly code = 'ENVIRONMENT_INVALID';
}

/**
 * True when tracing is off whatever else is set.
 * @throws TracingEnvironmentError when that cannot be told
 */
export function isDisabled({ OTEL_SDK_DISABLED }: TracingEnvironment): boolean {
  assertTracingVariables({ OTEL_SDK_DISABLED });
  return OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true';
}

/**
 * Refuses what the SDK would replace by a default, with a complaint that nobody reads: all traces where one in a hundred was
 * meant, or none.
 * @throws TracingEnvironmentError
 */
export function assertTracingVariables(env: TracingEnvironment): void {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
  const { error } = tracingVariables.partial().safeParse(given);
  if (!error) return;
  throw new TracingEnvironmentError(
    error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; '),
  );
}
