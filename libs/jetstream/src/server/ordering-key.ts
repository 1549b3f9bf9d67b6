import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import type { DecodedMessage, EncodedMessage, MessageCodec } from '../codec.js';
import type { ResolvedHandlerOptions } from '../handler.options.js';
import { TerminalError } from '../errors.js';
import type { DeliveryInfo } from './delivery-info.js';
import { readHeaders } from './headers.js';

const MOST_PARTITIONS = 64;
const REMEMBERED_KEYS = 4_096;

interface KnownKey {
  readonly sequence: number;
  /** Tells the message from one of a stream that was created anew. */
  readonly timestampMs: number;
  readonly key: string;
}

/** What `orderBy` sees of a message. */
export interface OrderedMessage<Payload = unknown> {
  readonly subject: string;
  /** Undefined when there are none, or none that can be read. */
  readonly headers: MsgHdrs | undefined;
  /** Decoded when it is first asked for: a key from the subject or a header spares decoding what others handle. */
  readonly payload: Payload;
}

/** `orderBy` threw or gave no string, so nobody knows which messages must go before this one. */
export class OrderingKeyError extends TerminalError {
  override readonly code = 'JS_NO_ORDERING_KEY';
}

/**
 * Reads the ordering keys of one handler. It is the handler's codec too: what was decoded for the key is not decoded
 * again, and a message without a key fails as one that cannot be decoded does.
 */
export class OrderingKeys implements MessageCodec {
  private readonly decoded = new WeakMap<EncodedMessage, DecodedMessage>();
  private readonly failures = new WeakMap<EncodedMessage, OrderingKeyError>();
  private readonly known = Array.from<KnownKey | undefined>({ length: REMEMBERED_KEYS });

  constructor(
    private readonly options: Pick<ResolvedHandlerOptions, 'orderBy' | 'durable' | 'raw'>,
    private readonly codec: MessageCodec,
  ) {}

  /**
   * The key; a message without one is alone in a lane named after its sequence, and will be dead-lettered there. A process
   * with several partitions gets the message from each of them, and remembers for a while what its key was.
   */
  read(message: Msg, info: DeliveryInfo): string {
    const slot = info.streamSequence % REMEMBERED_KEYS;
    const known = this.known[slot];
    if (known?.sequence === info.streamSequence && known.timestampMs === info.timestampMs) return known.key;
    const key = this.find(message);
    if (key === undefined) return `s${info.streamSequence}`;
    this.known[slot] = { sequence: info.streamSequence, timestampMs: info.timestampMs, key };
    return key;
  }

  decode(message: EncodedMessage): DecodedMessage {
    const failure = this.failures.get(message);
    if (failure) throw failure;
    const decoded = this.decoded.get(message);
    // Handed out once: a handler may change its payload, and the next attempt must not see that.
    if (decoded) this.decoded.delete(message);
    return decoded ?? this.codec.decode(message);
  }

  private find(message: Msg): string | undefined {
    const view = new MessageView(message, () => this.payload(message));
    try {
      const key: unknown = this.options.orderBy?.(view);
      if (typeof key === 'string') return `k${key}`;
      throw new TypeError(`orderBy gave ${typeof key} instead of a string`);
    } catch (cause) {
      // The decoder's own error says more than that there is no key.
      if (!view.hasUndecodableBody) this.failures.set(message, this.failure(cause));
      return undefined;
    }
  }

  private payload(message: Msg): unknown {
    if (this.options.raw) return message.data;
    let decoded = this.decoded.get(message);
    if (!decoded) {
      decoded = this.codec.decode(message);
      this.decoded.set(message, decoded);
    }
    return decoded.payload;
  }

  private failure(cause: unknown): OrderingKeyError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new OrderingKeyError(`"${this.options.durable}" found no ordering key: ${reason}`, { cause });
  }
}

/** Reads only what `orderBy` asks for: parsing headers costs as much as the rest. */
class MessageView implements OrderedMessage {
  hasUndecodableBody = false;

  constructor(
    private readonly message: Msg,
    private readonly decode: () => unknown,
  ) {}

  get subject(): string {
    return this.message.subject;
  }

  get headers(): MsgHdrs | undefined {
    return readHeaders(this.message);
  }

  get payload(): unknown {
    try {
      return this.decode();
    } catch (error) {
      this.hasUndecodableBody = true;
      throw error;
    }
  }
}

/** Says what is impossible about an ordered handler, one sentence each. */
export function findOrderProblems(options: ResolvedHandlerOptions): string[] {
  const { orderBy, partitions, batch, durable, delivery } = options;
  const problems: string[] = [];
  if (!(Number.isInteger(partitions) && partitions > 0 && partitions <= MOST_PARTITIONS)) {
    problems.push(`partitions must be a whole number from 1 to ${MOST_PARTITIONS}`);
  }
  if (!orderBy) return problems;
  if (batch) problems.push('orderBy hands over one message at a time; leave out batch or orderBy');
  if (delivery !== 'pull') problems.push(`orderBy needs delivery "pull" and this is "${delivery}"`);
  if (durable.length > 120) problems.push('the name of a durable with orderBy may have 120 characters');
  return problems;
}

/** The partition of a key, the same in every process and release (FNV-1a). */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  // The low bits alone distribute badly over powers of two.
  return ((hash ^ (hash >>> 15)) >>> 0) % partitions;
}
