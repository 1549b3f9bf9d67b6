import type { Exchange } from './exchange.js';
import type { WireMessage } from './outgoing-message.js';
import {
  InvalidMessageError,
  PrecedingMessageError,
  PublishError,
  PublishTimeoutError,
  StreamLacksFeatureError,
} from './publish-errors.js';
import { isWorthRepeating, pause, repeat, repeatDelays } from './repeat.js';
import type { ServerCapabilities } from './server-capabilities.js';

/** First API level that knows atomic batches (nats-server 2.12). */
const ATOMIC_API_LEVEL = 2;
/** The server's limit. */
const MAX_BATCH_SIZE = 1_000;

/** Where one message of a batch is stored. */
export interface BatchAck {
  readonly stream: string;
  /** Sequence in the stream; of the message stored before, for a duplicate. */
  readonly sequence: number;
  /** True when the stream already held a message with this id. */
  readonly duplicate: boolean;
}

/** What became of one message of a batch. */
export type BatchResult = BatchAck | PublishError;

/** What became of a batch. */
export interface BatchReceipt {
  /** `atomic`: one batch of the server, all stored with consecutive sequences. `singles`: each message for itself. */
  readonly mode: 'atomic' | 'singles';
  /** In the order of the messages. */
  readonly acks: readonly BatchResult[];
  /** Why the server refused the atomic batch, when it was tried. */
  readonly rejection?: PublishError;
}

/** Stores many messages at once: as an atomic batch where that is possible, else one by one without waiting in between. */
export class BatchPublisher {
  constructor(
    private readonly exchange: Exchange,
    private readonly capabilities: ServerCapabilities,
  ) {}

  async store(wires: readonly WireMessage[]): Promise<BatchReceipt> {
    const last = wires.at(-1);
    if (!last || !(await this.canBeAtomic(wires))) return this.storeSingly(wires);
    try {
      const { stream, seq } = await this.exchange.storeAtomically(wires, last);
      const first = seq - wires.length + 1;
      const acks = wires.map((_, index) => ({ stream, sequence: first + index, duplicate: false }));
      return { mode: 'atomic', acks };
    } catch (error) {
      const rejection = error as PublishError;
      if (rejection instanceof StreamLacksFeatureError) this.capabilities.forgetStreams();
      // One message too many refuses the whole batch: stored before, too large, unexpected. The ids stay the same, so
      // that nothing is stored twice when the batch was stored and only its answer was lost.
      return { ...(await this.storeSingly(wires, rejection)), rejection };
    }
  }

  private async canBeAtomic(wires: readonly WireMessage[]): Promise<boolean> {
    if (wires.length < 2 || wires.length > MAX_BATCH_SIZE || !this.exchange.fitInBatch(wires)) return false;
    try {
      if ((await this.capabilities.apiLevel()) < ATOMIC_API_LEVEL) return false;
      let stream: string | undefined;
      for (const subject of new Set(wires.map((wire) => wire.subject))) {
        const config = await this.capabilities.streamOf(subject);
        if (!config.allow_atomic || config.name !== (stream ??= config.name)) return false;
      }
      return true;
    } catch {
      // Not known, or not permitted to be known. Singles report what is wrong for each message.
      return false;
    }
  }

  private async storeSingly(wires: readonly WireMessage[], rejection?: PublishError): Promise<BatchReceipt> {
    if (wires.some(({ orderKey }) => orderKey !== undefined)) return this.storeByKey(wires, rejection);
    const acks = await Promise.all(wires.map((wire) => this.attempt(wire, rejection)));
    for (const delayMs of repeatDelays()) {
      const again = indexesToRepeat(wires, acks);
      if (again.length === 0) break;
      await pause(delayMs);
      await Promise.all(
        again.map(async (index) => {
          const wire = wires[index];
          if (wire) acks[index] = await this.attempt(wire);
        }),
      );
    }
    return { mode: 'singles', acks };
  }

  /** Keys beside each other, the messages of one key one after the other: sent together, a later one could be stored alone. */
  private async storeByKey(wires: readonly WireMessage[], rejection?: PublishError): Promise<BatchReceipt> {
    const acks: BatchResult[] = [];
    const lanes = Map.groupBy(wires.entries(), ([index, { orderKey }]) => orderKey ?? index);
    await Promise.all(
      [...lanes.values()].map(async (lane) => {
        let cause: PublishError | undefined;
        for (const [index, wire] of lane) {
          const result = cause ? precededBy(cause, wire) : await this.attemptRepeatedly(wire, rejection);
          acks[index] = result;
          if (result instanceof PublishError && !(result instanceof InvalidMessageError)) cause ??= result;
        }
      }),
    );
    return { mode: 'singles', acks };
  }

  private async attemptRepeatedly(wire: WireMessage, rejection?: PublishError): Promise<BatchResult> {
    if (wire.isConditional && rejection instanceof PublishTimeoutError) return rejection;
    try {
      const { stream, seq, duplicate } = await repeat(wire, (again) => this.exchange.store(again));
      return { stream, sequence: seq, duplicate };
    } catch (error) {
      return error as PublishError;
    }
  }

  private async attempt(wire: WireMessage, rejection?: PublishError): Promise<BatchResult> {
    // The batch may be stored, and the server would answer that the expectation does not hold.
    if (wire.isConditional && rejection instanceof PublishTimeoutError) return rejection;
    try {
      const { stream, seq, duplicate } = await this.exchange.store(wire);
      return { stream, sequence: seq, duplicate };
    } catch (error) {
      return error as PublishError;
    }
  }
}

function precededBy(cause: PublishError, wire: WireMessage): PublishError {
  return new PrecedingMessageError('an earlier message of its order key was not stored', { ...wire, cause });
}

/**
 * Which messages may be sent once more: those that failed for the moment and are not followed by a stored message of
 * their subject, which they would come after.
 */
export function indexesToRepeat(
  messages: readonly Pick<WireMessage, 'subject' | 'isConditional'>[],
  results: readonly BatchResult[],
): number[] {
  const overtaken = new Set<string>();
  const again: number[] = [];
  for (let index = messages.length - 1; index >= 0; index--) {
    const message = messages[index];
    const result = results[index];
    if (!message) continue;
    if (!(result instanceof PublishError)) overtaken.add(message.subject);
    else if (isWorthRepeating(result, message) && !overtaken.has(message.subject)) again.push(index);
  }
  return again.toReversed();
}
