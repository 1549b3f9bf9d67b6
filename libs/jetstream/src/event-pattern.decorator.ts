import { Ctx, EventPattern as NestEventPattern, Payload } from '@nestjs/microservices';
import type { HandlerOptions } from './handler.options.js';
import type { JetStreamContext } from './server/jetstream.context.js';

/** Transport id of handlers that belong to JetStream, for hybrid applications with several transports. */
export const JETSTREAM_TRANSPORT = Symbol.for('slipstream.jetstream');

/**
 * Declares a handler for one or more subject patterns (`*` and a trailing `>` allowed) on a durable consumer.
 * Handlers that name the same durable share it; options given by more than one of them must agree.
 */
export function EventPattern(pattern: string | readonly string[], options: HandlerOptions): MethodDecorator {
  return NestEventPattern([pattern].flat(), JETSTREAM_TRANSPORT, options);
}

/** What `@OnEvent` needs of a contract: its name without version, and what decoding yields. */
export interface EventType<Event> {
  readonly name: string;
  decode(wire: unknown): Event;
}

/**
 * Declares a handler for every version of an event (subject `<name>.*`). The compiler checks that the handler's first
 * parameter is the event of the contract and its second, if any, the context.
 */
export function OnEvent<Event>(type: EventType<Event>, options: HandlerOptions) {
  return <Handler extends (event: Event, context: JetStreamContext) => unknown>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<Handler>,
  ): void => {
    Payload()(target, key, 0);
    Ctx()(target, key, 1);
    EventPattern(`${type.name}.*`, options)(target, key, descriptor);
  };
}
