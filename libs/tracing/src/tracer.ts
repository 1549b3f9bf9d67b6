import { trace, type Tracer } from '@opentelemetry/api';

/** The tracer of a library. Records nothing until the process has set up OpenTelemetry. */
export function tracerOf(library: string): Tracer {
  return trace.getTracer(`@slipstream/${library}`);
}
