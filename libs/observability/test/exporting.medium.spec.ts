import {
  context,
  diag,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SpanReceiver, type ReceivedSpan } from '@slipstream/testing';
import { contextOf, extractFrom, headersOf, randomTraceId, startTracedBy } from '@slipstream/tracing';
import { createSampler, createSdk, samplingOf } from '../src/tracing/sdk.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const LINKED = { traceId: '1af7651916cd43dd8448eb211c80319d', spanId: 'c7ad6b7169203332', traceFlags: 1 };

/** What a request that fails to publish leaves behind. */
function recordRequest(traceparent?: string): void {
  const tracer = trace.getTracer('test');
  const parent = extractFrom(traceparent === undefined ? {} : { traceparent }) ?? context.active();
  const request = tracer.startSpan('POST /orders', { kind: SpanKind.SERVER }, parent);
  request.setAttributes({ 'http.response.status_code': 503, 'url.path': '/orders' });
  const inside = contextOf(request, parent);
  const publish = tracer.startSpan(
    'publish',
    { kind: SpanKind.PRODUCER, links: [{ context: LINKED }] },
    inside,
  );
  publish.setStatus({ code: SpanStatusCode.ERROR, message: 'no answer' });
  publish.end();
  request.end();
}

const traceparent = (flags: string) => `00-${TRACE}-${PARENT}-${flags}`;
const byName = (spans: readonly ReceivedSpan[], name: string) => spans.find((span) => span.name === name);

describe('traces that are exported as the variables of OpenTelemetry say', () => {
  const before = { ...process.env };
  let receiver: SpanReceiver;

  beforeEach(async () => {
    receiver = await SpanReceiver.start();
  });

  afterEach(async () => {
    await receiver.stop();
    process.env = { ...before };
    for (const api of [trace, context, propagation, diag]) api.disable();
    jest.restoreAllMocks();
  });

  /** A process from its start with these variables to its end. */
  async function run(env: NodeJS.ProcessEnv, work: () => void): Promise<void> {
    Object.assign(process.env, env);
    const sdk = createSdk('order-service', createSampler(process.env));
    sdk.start();
    work();
    await sdk.shutdown();
  }

  it.each([
    ['protobuf by default', {}, 'application/x-protobuf'],
    ['protobuf', { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }, 'application/x-protobuf'],
    ['JSON', { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, 'application/json'],
    [
      'JSON for traces only',
      { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' },
      'application/json',
    ],
  ])('arrive by OTLP over HTTP in %s', async (_name, env, contentType) => {
    const headers = { OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=shop' };
    await run({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...headers, ...env }, () =>
      recordRequest(traceparent('01')),
    );
    expect(receiver.deliveries).toMatchObject([
      { path: '/v1/traces', headers: { 'content-type': contentType, 'x-tenant': 'shop' } },
    ]);
    const request = byName(receiver.spans, 'POST /orders');
    expect(request).toEqual({
      service: 'order-service',
      name: 'POST /orders',
      kind: 'server',
      traceId: TRACE,
      spanId: expect.stringMatching(/^[\da-f]{16}$/),
      parentSpanId: PARENT,
      attributes: { 'http.response.status_code': 503, 'url.path': '/orders' },
      links: [],
      isError: false,
    });
    expect(byName(receiver.spans, 'publish')).toMatchObject({
      kind: 'producer',
      parentSpanId: request?.spanId,
      links: [{ traceId: LINKED.traceId, spanId: LINKED.spanId }],
      isError: true,
    });
  });

  it('arrive at the address for traces alone, when there is one', async () => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces`,
    };
    await run(env, recordRequest);
    expect(receiver.spans).toHaveLength(2);
  });

  it('arrive at Zipkin', async () => {
    const env = {
      OTEL_TRACES_EXPORTER: 'zipkin',
      OTEL_EXPORTER_ZIPKIN_ENDPOINT: `${receiver.url}/api/v2/spans`,
    };
    await run(env, () => recordRequest(traceparent('01')));
    const request = byName(receiver.spans, 'POST /orders');
    expect(request).toMatchObject({
      service: 'order-service',
      kind: 'server',
      traceId: TRACE,
      parentSpanId: PARENT,
      attributes: { 'http.response.status_code': '503', 'url.path': '/orders' },
    });
    expect(byName(receiver.spans, 'publish')).toMatchObject({
      kind: 'producer',
      parentSpanId: request?.spanId,
      isError: true,
    });
  });

  it('are printed by the console exporter, beside what goes elsewhere', async () => {
    const print = jest.spyOn(console, 'dir').mockReturnValue();
    const env = { OTEL_TRACES_EXPORTER: 'console,otlp', OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
    await run(env, recordRequest);
    const [published, request] = print.mock.calls.map(([span]) => span as { name: string; traceId: string });
    expect([published?.name, request?.name]).toEqual(['publish', 'POST /orders']);
    expect(receiver.of(request?.traceId ?? '')).toHaveLength(2);
  });

  it('link all that a batch worked on', async () => {
    await run({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }, () => {
      const links = Array.from({ length: 500 }, () => ({ context: LINKED }));
      trace.getTracer('test').startSpan('process batch', { links }).end();
    });
    expect(byName(receiver.spans, 'process batch')?.links).toHaveLength(500);
  });

  it('say which service they are of, and what else the variables tell', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
    await run({ ...env, OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=production' }, recordRequest);
    expect(receiver.raw).toContain('"deployment.environment.name","value":{"stringValue":"production"}');
    // The command line of a process may hold a secret.
    expect(receiver.raw).not.toContain('process.command');
  });

  describe('when sampled', () => {
    const exporting = () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });

    it('by a ratio are that share of all, whole or not at all', async () => {
      const env = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' };
      await run({ ...exporting(), ...env }, () => {
        for (let i = 0; i < 400; i++) recordRequest();
      });
      const traces = Map.groupBy(receiver.spans, ({ traceId }) => traceId);
      // Eight standard deviations to either side.
      expect(Math.abs(traces.size - 100)).toBeLessThan(70);
      expect([...traces.values()].filter((spans) => spans.length !== 2)).toEqual([]);
    });

    it.each([
      ['parentbased_always_on', undefined, 2],
      ['parentbased_always_on', '00', 0],
      ['parentbased_always_off', undefined, 0],
      ['parentbased_always_off', '01', 2],
      ['always_on', '00', 2],
      ['always_off', '01', 0],
      ['traceidratio', undefined, 2],
    ])('by %s, beneath a parent with the flags %s, are %p spans', async (sampler, flags, count) => {
      await run({ ...exporting(), OTEL_TRACES_SAMPLER: sampler }, () =>
        recordRequest(flags && traceparent(flags)),
      );
      expect(receiver.spans).toHaveLength(count);
    });

    it.each([
      [undefined, true],
      ['parentbased_always_off', true],
      ['parentbased_traceidratio', true],
      ['always_off', true],
      ['always_on', false],
      ['traceidratio', false],
    ])('by %s follow an unrecorded parent: %p', (OTEL_TRACES_SAMPLER, isHeeded) => {
      expect(
        samplingOf(createSampler({ OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG: '0.01' }), ['traceparent'])
          .heedsParents,
      ).toBe(isHeeded);
    });

    it.each([
      [['traceparent', 'tracestate', 'baggage'], true],
      [['traceparent', 'tracestate', 'b3'], false],
      [['b3'], false],
    ])('carry traces on by %p, which a traceparent is enough for: %p', (propagated, isEnough) => {
      expect(samplingOf(createSampler({}), propagated).carriesTraceparent).toBe(isEnough);
    });

    it('follow no traceparent where traces are carried on by other headers', () => {
      expect(samplingOf(createSampler({}), ['b3']).heedsParents).toBe(false);
    });

    it.each([
      ['parentbased_always_on', undefined, 200, 200],
      ['parentbased_always_off', undefined, 0, 0],
      ['parentbased_traceidratio', '0.25', 10, 120],
      ['traceidratio', '0.25', 10, 120],
      ['traceidratio', '0', 0, 0],
      ['traceidratio', '0.999999', 199, 200],
      ['traceidratio', ' ', 200, 200],
      ['always_on', '0.25', 200, 200],
      ['always_off', undefined, 0, 0],
    ])('by %s with %p are known by their ids before they begin', async (sampler, arg, least, most) => {
      const env = { OTEL_TRACES_SAMPLER: sampler, ...(arg && { OTEL_TRACES_SAMPLER_ARG: arg }) };
      await run({ ...exporting(), ...env }, () => {
        const { recordsRoot } = samplingOf(createSampler(process.env), ['traceparent']);
        const begin = () => trace.getTracer('test').startSpan('root', {}, ROOT_CONTEXT);
        const ids = Array.from({ length: 200 }, randomTraceId);
        const recorded = ids.filter((id) => startTracedBy(id, begin).isRecording());
        expect(ids.filter(recordsRoot)).toEqual(recorded);
        expect(recorded.length).toBeGreaterThanOrEqual(least);
        expect(recorded.length).toBeLessThanOrEqual(most);
      });
    });
  });

  it('are not even recorded, though they have ids to be carried on, with the exporter none', async () => {
    const env = { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
    await run(env, () => {
      const span = trace.getTracer('test').startSpan('alone');
      expect(span.isRecording()).toBe(false);
      expect(headersOf(contextOf(span))).toEqual({
        traceparent: expect.stringMatching(/^00-[\da-f]{32}-[\da-f]{16}-00$/),
      });
      span.end();
    });
    expect(receiver.deliveries).toEqual([]);
  });
});
