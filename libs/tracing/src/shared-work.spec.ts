import { createContextKey, ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { contextOf, extractContext, headersOf, isRecorded, spanContextOf } from './carried-context.js';
import { randomSpanId, randomTraceId, startTracedBy, takeTraceId } from './trace-ids.js';
import { contextFor, runTogether, type Member } from './shared-work.js';
import { tracerOf } from './tracer.js';
import { followSampler, UnrecordedTrace, type Sampling } from './unrecorded-trace.js';

const exporter = new InMemorySpanExporter();
const sdk = new NodeSDK({
  spanProcessors: [new SimpleSpanProcessor({ exporter })],
  // Their asynchronous detection would hold spans back.
  autoDetectResources: false,
  metricReaders: [],
  logRecordProcessors: [],
});
const tracer = tracerOf('test');
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const traceparent = (flags: string) => `00-${TRACE}-b7ad6b7169203331-${flags}`;
const reader = (headers: Record<string, string>) => ({
  keys: () => Object.keys(headers),
  get: (name: string) => headers[name] ?? '',
});

beforeAll(() => sdk.start());
afterAll(() => sdk.shutdown());

describe('a carried context', () => {
  it.each(['traceparent', 'Traceparent', 'TRACEPARENT'])(
    'is read from %s and written in lower case',
    (name) => {
      const context = extractContext(reader({ [name]: traceparent('01'), Baggage: 'tenant=a' }));
      expect(context && isRecorded(context)).toBe(true);
      expect(context && headersOf(context)).toEqual({ traceparent: traceparent('01'), baggage: 'tenant=a' });
    },
  );

  it.each<Record<string, string>>([
    {},
    { traceparent: 'nonsense' },
    { traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` },
  ])('is none in %p', (headers) => {
    expect(extractContext(reader(headers))).toBeUndefined();
  });
});

describe('a trace that nobody records', () => {
  const sampling: Sampling = { heedsParents: true, recordsRoot: () => true, carriesTraceparent: true };

  afterEach(() => followSampler(sampling));

  it.each([true, false])('is carried on as it came (by its traceparent alone: %p)', (carriesTraceparent) => {
    followSampler({ ...sampling, carriesTraceparent });
    const unrecorded = UnrecordedTrace.read(traceparent('00')) ?? ROOT_CONTEXT;
    expect(spanContextOf(unrecorded)).toMatchObject({
      traceId: TRACE,
      spanId: 'b7ad6b7169203331',
      traceFlags: 0,
    });
    expect(headersOf(unrecorded)).toEqual({ traceparent: traceparent('00') });
    expect(isRecorded(unrecorded)).toBe(false);
  });

  it.each([undefined, traceparent('01'), traceparent('0'), `01-${TRACE}-b7ad6b7169203331-00`])(
    'is not %s',
    (text) => {
      expect(UnrecordedTrace.read(text)).toBeUndefined();
    },
  );

  it.each([
    `00-${'0'.repeat(32)}-b7ad6b7169203331-00`,
    `00-${TRACE}-${'0'.repeat(16)}-00`,
    `00-${TRACE.toUpperCase()}-b7ad6b7169203331-00`,
    `00-${TRACE}_b7ad6b7169203331-00`,
  ])('is no trace to whoever asks when its ids are not valid: %s', (text) => {
    const unrecorded = UnrecordedTrace.read(text);
    expect(unrecorded).toMatchObject({ traceId: '0'.repeat(32), spanId: '0'.repeat(16), isRecorded: false });
    expect(unrecorded && headersOf(unrecorded)).toEqual({});
    expect(unrecorded && trace.getSpanContext(unrecorded)).toBeUndefined();
    expect(unrecorded && spanContextOf(unrecorded)).toBeUndefined();
  });

  it('is none where the sampler does not ask whoever began it', () => {
    followSampler({ ...sampling, heedsParents: false });
    expect(UnrecordedTrace.read(traceparent('00'))).toBeUndefined();
    followSampler(sampling);
    expect(UnrecordedTrace.read(traceparent('00'))).toBeDefined();
  });

  it('begins where the sampler records none of its id', () => {
    followSampler({ ...sampling, recordsRoot: (traceId) => traceId !== TRACE });
    const begun = UnrecordedTrace.begin(TRACE);
    expect(begun && headersOf(begun)).toEqual({
      traceparent: expect.stringMatching(`^00-${TRACE}-[\\da-f]{16}-00$`),
    });
    expect(UnrecordedTrace.begin(randomTraceId())).toBeUndefined();
    followSampler(sampling);
  });

  it('is a context like others: what is set in it is there, beside the trace', () => {
    const key = createContextKey('test');
    const unrecorded = UnrecordedTrace.read(traceparent('00'));
    const set = unrecorded?.setValue(key, 'value');
    expect([set?.getValue(key), unrecorded?.getValue(key)]).toEqual(['value', undefined]);
    expect(set && trace.getSpanContext(set)?.traceId).toBe(TRACE);
    expect(unrecorded && trace.getSpan(unrecorded)?.isRecording()).toBe(false);
    expect(unrecorded && trace.getSpan(trace.deleteSpan(unrecorded))).toBeUndefined();
  });
});

describe('work that is shared', () => {
  const member = (key: string, isSampled = true): Member => {
    const context = isSampled
      ? contextOf(tracer.startSpan(key), ROOT_CONTEXT)
      : trace.setSpanContext(ROOT_CONTEXT, {
          traceId: TRACE,
          spanId: 'b7ad6b7169203331',
          traceFlags: TraceFlags.NONE,
        });
    return { context, isRecorded: isSampled, keys: [key] };
  };
  const idOf = (of: Member) => trace.getSpanContext(of.context)?.spanId;

  it('lets each result find the trace of what caused it', async () => {
    const members = [member('a'), member('b'), member('c', false)];
    const found = await runTogether(members, { tracer, name: 'shared' }, async () => {
      await new Promise(setImmediate);
      return ['a', 'b', 'c'].map((key) => trace.getSpanContext(contextFor(key))?.spanId);
    });
    expect(found).toEqual(members.map(idOf));
  });

  it('is recorded once, in the trace of the first member that is, and linked with the others', async () => {
    const [unsampled, first, second] = [member('a', false), member('b'), member('c')];
    await runTogether([unsampled, first, second], { tracer, name: 'linked' }, () => Promise.resolve());
    const [span] = exporter.getFinishedSpans().filter(({ name }) => name === 'linked');
    expect(span?.parentSpanContext?.spanId).toBe(idOf(first));
    expect(span?.links.map(({ context }) => context.spanId)).toEqual([idOf(first), idOf(second)]);
    trace.getSpan(second.context)?.end();
    const [told] = exporter.getFinishedSpans().filter(({ name }) => name === 'c');
    expect(told?.links.map(({ context }) => context.spanId)).toEqual([span?.spanContext().spanId]);
  });

  it('of one member is just its own, and of none is nothing special', async () => {
    const only = member('a');
    const seen = await runTogether([only], { tracer, name: 'alone' }, async () => contextFor('anything'));
    expect(trace.getSpanContext(seen)?.spanId).toBe(idOf(only));
    expect(await runTogether([], { tracer, name: 'none' }, async () => contextFor('a'))).toBe(ROOT_CONTEXT);
    expect(exporter.getFinishedSpans().some(({ name }) => name === 'alone' || name === 'none')).toBe(false);
  });
});

describe('a random id', () => {
  it('has the length of its kind, and none comes twice', () => {
    const ids = Array.from({ length: 10_000 }, () => [randomTraceId(), randomSpanId()]).flat();
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id, index) => /^[\da-f]+$/.test(id) && id.length === (index % 2 === 0 ? 32 : 16))).toBe(
      true,
    );
  });
});

describe('a derived trace id', () => {
  it('is for the span that is started with it, and for no later one', () => {
    expect(startTracedBy(TRACE, takeTraceId)).toBe(TRACE);
    expect(startTracedBy(TRACE, () => takeTraceId() && takeTraceId())).toBeUndefined();
    expect(takeTraceId()).toBeUndefined();
  });
});
