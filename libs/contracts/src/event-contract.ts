import type { z } from 'zod';
import { newId } from './new-id.js';

/** What every event carries. */
export interface EventBase {
  /** UUIDv7 in events of ours; the same for every copy and version of the event. */
  readonly messageId: string;
  readonly orderId: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

/** One version of one event on the wire. Several versions may decode to the same event. */
export interface EventContract<Event extends EventBase = EventBase> {
  /** Name without version, such as `orders.created`. */
  readonly name: string;
  readonly version: number;
  /** NATS subject, such as `orders.created.v1`. */
  readonly subject: string;
  readonly schema: z.ZodType;
  decode(wire: unknown): Event;
  encode(event: Event): unknown;
}

interface EventDefinition<Wire, Event extends EventBase> {
  readonly name: string;
  readonly version: number;
  readonly schema: z.ZodType<Wire>;
  /** May refuse what a schema cannot express by throwing `ContractError`. */
  readonly toEvent: (wire: Wire) => Event;
  readonly toWire: (event: Event) => Wire;
}

export function defineEvent<Wire, Event extends EventBase>(
  definition: EventDefinition<Wire, Event>,
): EventContract<Event> {
  const { name, version, schema, toEvent, toWire } = definition;
  return {
    name,
    version,
    subject: `${name}.v${version}`,
    schema,
    decode: (wire) => toEvent(schema.parse(wire)),
    encode: (event) => schema.parse(toWire(event)),
  };
}

/** Identity and time of a new event about `orderId`. */
export function newEvent(orderId: string): EventBase {
  return { messageId: newId(), orderId, createdAt: Date.now() };
}
