export {
  contextOf,
  extractContext,
  extractFrom,
  headersOf,
  isRecorded,
  spanContextOf,
  type HeaderReader,
} from './carried-context.js';
export { contextFor, runTogether, type Member } from './shared-work.js';
export { randomSpanId, randomTraceId, startTracedBy, takeTraceId } from './trace-ids.js';
export { tracerOf } from './tracer.js';
export { followSampler, UnrecordedTrace, type Sampling } from './unrecorded-trace.js';
