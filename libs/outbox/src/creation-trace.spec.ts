import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { NoopSpanProcessor } from '@opentelemetry/sdk-trace';
import { UnrecordedTrace } from '@slipstream/tracing';
import { tracedHeaders } from './creation-trace.js';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
const sdk = new NodeSDK({
  spanProcessors: [new NoopSpanProcessor()],
  autoDetectResources: false,
  metricReaders: [],
  logRecordProcessors: [],
});

const headersOf = (headers: Record<string, string>): unknown =>
  JSON.parse(
    tracedHeaders({ aggregateId: 'a', messageId: 'm', subject: 's', data: Buffer.alloc(0), headers }),
  );

describe('the headers of an event', () => {
  beforeAll(() => sdk.start());
  afterAll(() => sdk.shutdown());

  it.each<Record<string, string>>([
    {},
    { 'ce-id': '"€"' },
    { traceparent: 'of whoever appends', 'ce-id': '1' },
  ])('are %p and the trace in which it came about', (headers) => {
    const trace = UnrecordedTrace.read(TRACEPARENT) ?? ROOT_CONTEXT;
    expect(context.with(trace, () => headersOf(headers))).toEqual({ ...headers, traceparent: TRACEPARENT });
  });

  it('begin a trace where there is none', () => {
    expect(headersOf({ 'ce-id': '1' })).toEqual({
      'ce-id': '1',
      traceparent: expect.stringMatching(/^00-[\da-f]{32}-[\da-f]{16}-01$/),
    });
  });
});
