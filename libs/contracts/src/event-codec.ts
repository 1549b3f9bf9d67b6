import { cloudEventHeaders, isStructured, toHeaderValue, unwrapStructured } from './cloud-events.js';
import type { TypedCodec } from './codecs/codec.js';
import { codecFor, DEFAULT_CONTENT_TYPE, mediaTypeOf } from './codecs/content-types.js';
import { ContractError } from './contract.error.js';
import { contracts } from './contracts.js';
import { parseSubject, type EventBase, type EventContract } from './event-contract.js';

/** Largest body that is read, as nats-server takes by default. */
export const MAX_EVENT_BYTES = 1_048_576;

const bySubject = new Map(contracts.map((contract) => [contract.subject, contract]));

/** Codecs by contract and content type; a contract meets a handful of content types, spelled as their producers do. */
const typedCodecs = new Map<EventContract, Map<string, TypedCodec>>(
  contracts.map((contract) => [contract, new Map()]),
);
const MOST_SPELLINGS = 100;

/** A message as it came. */
export interface ReceivedMessage {
  readonly subject: string;
  /** Value of a header, whatever the case of its name; empty when there is none. */
  readonly header?: ((name: string) => string) | undefined;
  readonly data: Uint8Array;
}

/** An event ready to be stored or published. */
export interface EncodedEvent {
  readonly subject: string;
  /** `<message id>/v<version>`: two versions of one event are two messages of the stream, but one event. */
  readonly messageId: string;
  readonly headers: Record<string, string>;
  readonly data: Uint8Array;
  /** Id of the order, by which events are kept in order. */
  readonly aggregateId: string;
}

export interface DecodedEvent {
  readonly payload: EventBase;
  readonly messageId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * Reads an event of any known version as the newest one. Checked in this order: subject, size, content type, depth and
 * form of the body, schema.
 * @throws ContractError naming the field that breaks the contract
 */
export function decodeEvent({ subject, header, data }: ReceivedMessage): DecodedEvent {
  const contract = bySubject.get(subject) ?? unknown(subject);
  if (data.length > MAX_EVENT_BYTES) {
    const reason = `body: has ${data.length} bytes, more than ${MAX_EVENT_BYTES}`;
    throw new ContractError('CONTRACT_TOO_LARGE', reason);
  }
  const contentType = header?.('content-type') || header?.('ce-datacontenttype') || DEFAULT_CONTENT_TYPE;
  const payload = contract.decode(readFields(contract, contentType, data));
  return { payload, messageId: payload.messageId, attributes: { order_id: payload.orderId } };
}

export interface EventEncoderOptions {
  /** Name of the service that publishes. */
  readonly source: string;
  /** Events that it publishes, and no other. */
  readonly publishes: readonly EventContract[];
  /**
   * One of `CONTENT_TYPES`.
   * @default 'application/json'
   */
  readonly contentType?: string;
}

/** Writes the events of one service, with their CloudEvents 1.0 headers (binary mode of the NATS binding). */
export class EventEncoder {
  private readonly published: ReadonlySet<EventContract>;
  private readonly source: string;
  private readonly contentType: string;

  constructor({ source, publishes, contentType = DEFAULT_CONTENT_TYPE }: EventEncoderOptions) {
    this.published = new Set<EventContract>(publishes);
    this.source = `/${toHeaderValue(source)}`;
    this.contentType = codecFor(contentType).contentTypes[0];
  }

  /** @throws ContractError when the event breaks its contract */
  encode<Event extends EventBase>(contract: EventContract<Event>, event: Event): EncodedEvent {
    // What a service publishes is told to others from its declaration.
    if (!this.published.has(contract)) {
      throw new Error(`${this.source} does not declare that it publishes ${contract.subject}`);
    }
    const { subject, version } = contract;
    const { messageId, orderId, createdAt } = event;
    return {
      subject,
      messageId: `${messageId}/v${version}`,
      aggregateId: orderId,
      data: typedCodec(contract, this.contentType).encode(contract.encode(event)),
      headers: cloudEventHeaders({
        id: messageId,
        type: subject,
        source: this.source,
        time: createdAt,
        subject: orderId,
        contentType: this.contentType,
      }),
    };
  }
}

function readFields(contract: EventContract, contentType: string, data: Uint8Array): unknown {
  const known = typedCodecs.get(contract)?.get(contentType);
  if (known) return known.decode(data);
  if (!isStructured(mediaTypeOf(contentType))) return typedCodec(contract, contentType).decode(data);
  const unwrapped = unwrapStructured(contract.subject, data);
  return typedCodec(contract, unwrapped.contentType).decode(unwrapped.data);
}

function typedCodec(contract: EventContract, contentType: string): TypedCodec {
  const known = typedCodecs.get(contract);
  const found = known?.get(contentType);
  if (found) return found;
  const codec = codecFor(contentType).of(contract.type);
  if (known && known.size < MOST_SPELLINGS) known.set(contentType, codec);
  return codec;
}

function unknown(subject: string): never {
  const { name, version } = parseSubject(subject);
  const versions = contracts.filter((contract) => contract.name === name).map((known) => `v${known.version}`);
  if (versions.length === 0 || Number.isNaN(version)) {
    throw new ContractError('CONTRACT_UNKNOWN_EVENT', `no contract describes "${subject}"`, 'subject');
  }
  const reason = `v${version} of "${name}" is not known here, only ${versions.join(' and ')}`;
  throw new ContractError(
    'CONTRACT_UNKNOWN_VERSION',
    `${reason}; deploy what knows it, then redrive`,
    'subject',
  );
}
