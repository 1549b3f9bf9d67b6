/** A span as a collector got it. */
export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  /** As in `opentelemetry.proto.trace.v1.Span.SpanKind`. */
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined at a root. */
  readonly parentSpanId: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Zipkin knows none. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isError: boolean;
}

const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const ERROR = 2;

interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface OtlpSpan {
  readonly name: string;
  readonly kind?: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes?: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number };
}

/** `ExportTraceServiceRequest` of OTLP as JSON, ids in hexadecimal digits. */
export interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

/** A span of Zipkin's API, version 2. */
export interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind?: 'CLIENT' | 'SERVER' | 'PRODUCER' | 'CONSUMER';
  readonly localEndpoint: { readonly serviceName: string };
  readonly tags: Readonly<Record<string, string>>;
}

export function spansOfOtlp({ resourceSpans }: OtlpRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => ofOtlp(service, span)));
  });
}

export function spanOfZipkin(span: ZipkinSpan): ReceivedSpan {
  return {
    service: span.localEndpoint.serviceName,
    name: span.name,
    kind: span.kind ? (span.kind.toLowerCase() as ReceivedSpan['kind']) : 'internal',
    traceId: span.traceId,
    spanId: span.id,
    parentSpanId: span.parentId,
    attributes: span.tags,
    links: [],
    isError: span.tags['otel.status_code'] === 'ERROR',
  };
}

function ofOtlp(service: string, span: OtlpSpan): ReceivedSpan {
  const { name, kind = 0, traceId, spanId, parentSpanId, attributes = [], links = [], status } = span;
  return {
    service,
    name,
    kind: KINDS[kind] ?? 'internal',
    traceId,
    spanId,
    parentSpanId: parentSpanId || undefined,
    attributes: valuesOf(attributes),
    links: links.map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
    isError: status?.code === ERROR,
  };
}

function valuesOf(attributes: readonly OtlpAttribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));
}

/** Protobuf's JSON writes integers of 64 bits as strings. */
function valueOf({ intValue, ...value }: OtlpAttribute['value']): unknown {
  return intValue === undefined ? Object.values(value)[0] : Number(intValue);
}
