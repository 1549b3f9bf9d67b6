import type { DescMessage } from '@bufbuild/protobuf';
import type { Fields } from './codecs/codec.js';
import { messageType, type MessageType } from './message-type.js';
import { newId } from './new-id.js';
import { createValidator } from './validator.js';

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
  readonly type: MessageType;
  /**
   * Validates what a codec decoded and brings it up to the newest version.
   * @throws ContractError naming the field that breaks the contract
   */
  decode(wire: unknown): Event;
  /**
   * The event in this version.
   * @throws ContractError when the event breaks its contract
   */
  encode(event: Event): Fields;
}

interface EventDefinition<Wire extends object, Event extends EventBase> {
  readonly protobuf: DescMessage;
  /** Pure. May refuse what a schema cannot express by throwing `ContractError`. */
  readonly toEvent: (wire: Wire) => Event;
  /** Pure. */
  readonly toWire: (event: Event) => Wire;
}

export function defineEvent<Wire extends object, Event extends EventBase>(
  definition: EventDefinition<Wire, Event>,
): EventContract<Event> {
  const { toEvent, toWire } = definition;
  const type = messageType(definition.protobuf);
  const validate = createValidator(type.jsonSchema);
  const { name, version } = parseSubject(type.subject);
  return {
    name,
    version,
    subject: type.subject,
    type,
    decode: (wire) => {
      validate(wire);
      return toEvent(wire as Wire);
    },
    encode: (event) => {
      const wire = toWire(event);
      validate(wire);
      return wire as Fields;
    },
  };
}

/** Name and version of a subject such as `orders.created.v1`; version NaN when it has none. */
export function parseSubject(subject: string): { name: string; version: number } {
  const [, name = subject, version] = /^(.+)\.v([1-9]\d*)$/.exec(subject) ?? [];
  return { name, version: Number(version) };
}

/** Identity and time of a new event about `orderId`. */
export function newEvent(orderId: string): EventBase {
  return { messageId: newId(), orderId, createdAt: Date.now() };
}
