import { EventPattern as NestEventPattern } from '@nestjs/microservices';
import type { HandlerOptions } from './handler.options.js';

/** Transport id of handlers that belong to JetStream, for hybrid applications with several transports. */
export const JETSTREAM_TRANSPORT = Symbol.for('slipstream.jetstream');

/**
 * Declares a handler for one or more subject patterns (`*` and a trailing `>` allowed) on a durable consumer.
 * Handlers that name the same durable share it; options given by more than one of them must agree.
 */
export function EventPattern(pattern: string | readonly string[], options: HandlerOptions): MethodDecorator {
  return NestEventPattern([pattern].flat(), JETSTREAM_TRANSPORT, options);
}
