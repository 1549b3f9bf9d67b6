import { Ctx, EventPattern as NestEventPattern, Payload } from '@nestjs/microservices';
import { InvalidHandlerError } from './errors.js';
import type { BatchOptions, HandlerOptions } from './handler.options.js';
import type { JetStreamBatchContext, JetStreamContext } from './server/jetstream.context.js';

/** Transport id of handlers that belong to JetStream, for hybrid applications with several transports. */
export const JETSTREAM_TRANSPORT = Symbol.for('slipstream.jetstream');

/**
 * Declares a handler for one or more subject patterns (`*` and a trailing `>` allowed) on a durable consumer.
 * Handlers that name the same durable share it; options given by more than one of them must agree.
 * @throws InvalidHandlerError without a pattern: Nest would register nothing, and say nothing
 */
export function EventPattern(pattern: string | readonly string[], options: HandlerOptions): MethodDecorator {
  const patterns = [pattern].flat();
  if (patterns.length === 0) {
    throw new InvalidHandlerError(
      `handler of durable "${options.durable}" names no pattern; name at least one`,
    );
  }
  return NestEventPattern(patterns, JETSTREAM_TRANSPORT, options);
}

/** What `@OnEvent` needs of a contract: its name without version, and what decoding yields. */
export interface EventType<Event> {
  /** First tokens of its subjects, such as `orders.created`; a version follows. */
  readonly name: string;
  /** Turns what was on the wire into an event, or throws. */
  decode(wire: unknown): Event;
}

/** Options of a handler that takes whole batches. */
export type BatchHandlerOptions = HandlerOptions & { readonly batch: BatchOptions };

type SingleHandler<Event> = (event: Event, context: JetStreamContext, ...injected: never[]) => unknown;
type BatchHandler<Event> = (
  events: readonly Event[],
  context: JetStreamBatchContext,
  ...injected: never[]
) => unknown;
type DecoratorOf<Accepted> = <Handler extends Accepted>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Handler>,
) => void;

/**
 * Declares a handler for every version of an event (subject `<name>.*`). The compiler checks that the handler's first
 * parameter is the event of the contract, or with `batch` an array of them, and its second, if any, the context.
 * `context.messages[i]` of a batch brought `events[i]`.
 */
export function OnEvent<Event>(
  type: EventType<Event>,
  options: BatchHandlerOptions,
): DecoratorOf<BatchHandler<Event>>;
export function OnEvent<Event>(
  type: EventType<Event>,
  options: HandlerOptions & { readonly batch?: never },
): DecoratorOf<SingleHandler<Event>>;
export function OnEvent(type: EventType<unknown>, options: HandlerOptions): MethodDecorator {
  return (target, key, descriptor) => {
    Payload()(target, key, 0);
    Ctx()(target, key, 1);
    EventPattern(`${type.name}.*`, options)(target, key, descriptor);
  };
}
