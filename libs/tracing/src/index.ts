export {
  contextOf,
  extractContext,
  extractFrom,
  headersOf,
  isRecorded,
  type HeaderReader,
} from './carried-context.js';
export { contextFor, runTogether, type Member } from './shared-work.js';
export { startTracedBy, takeTraceId } from './derived-trace-id.js';
export { tracerOf } from './tracer.js';
export { heedParents, UnrecordedTrace } from './unrecorded-trace.js';
