import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { headersOf } from './carried-context.js';
import { followSampler, UnrecordedTrace } from './unrecorded-trace.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

beforeAll(() => {
  propagation.setGlobalPropagator({
    fields: () => ['x-trace'],
    extract: (context) => context,
    inject: (context, carrier, setter) =>
      setter.set(carrier, 'x-trace', trace.getSpanContext(context)?.traceId ?? ''),
  });
  followSampler({ heedsParents: true, recordsRoot: () => false, carriesTraceparent: false });
});
afterAll(() => propagation.disable());

it('a trace that nobody records is carried on by the headers that OpenTelemetry is set up for', () => {
  expect(headersOf(UnrecordedTrace.begin(TRACE) ?? ROOT_CONTEXT)).toEqual({ 'x-trace': TRACE });
});
