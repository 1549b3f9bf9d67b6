/**
 * How a delivery was settled. `ignored` = none of its handler's business, `terminated` = ended by its handler without a dead letter, `released` = given back
 * unstarted, because the process is shutting down or the consumer is paused.
 */
export type SettlementOutcome =
  'handled' | 'ignored' | 'terminated' | 'retried' | 'dead-lettered' | 'released';

/** One delivery after its settlement was sent to the server. */
export interface SettledDelivery {
  readonly stream: string;
  readonly consumer: string;
  readonly subject: string;
  /** Declared pattern that routed the message; bounded, so safe as a metric label. */
  readonly pattern: string;
  readonly sequence: number;
  /** 1-based number of the attempt this delivery was. */
  readonly attempt: number;
  /** As the codec read it; undefined when it found none. */
  readonly messageId: string | undefined;
  /** Log attributes the codec read from the message, such as `order_id`. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly outcome: SettlementOutcome;
  /** What the handler, a pipe or a guard threw; absent when handled. */
  readonly error?: unknown;
  /** What the handler gave to `context.terminate`, for `terminated`. */
  readonly reason?: string | undefined;
  /** Delay asked of the server before the next attempt, for `retried`. */
  readonly retryDelayMs?: number | undefined;
  /** Time the handler ran, in milliseconds. 0 when it did not run. */
  readonly durationMs: number;
  /** Time from the message's arrival in the stream to its settlement, in milliseconds. */
  readonly ageMs: number;
}

/** One call of `publish`, or one message of `publishBatch`, after its end. */
export interface PublishedMessage {
  readonly subject: string;
  /** As the caller gave it; undefined when the library made one up. */
  readonly messageId: string | undefined;
  /** Milliseconds from the call to its end, repetitions included. */
  readonly durationMs: number;
  /** True when the stream already held a message with this id. */
  readonly duplicate: boolean;
  /** Why it was not stored, as far as is known; absent when it was. */
  readonly error?: unknown;
}

/** Port for logs, metrics and traces. Called synchronously on the hot path: must not throw or block. */
export interface TransportObserver {
  /** A delivery was settled: acked, given back, dead-lettered. */
  settled(delivery: SettledDelivery): void;
  /** A message was stored, or was not. */
  published(message: PublishedMessage): void;
}

/** Server-side position of one durable consumer. */
export interface ConsumerPosition {
  readonly stream: string;
  readonly consumer: string;
  /** Messages in the stream that match the consumer and were not delivered yet. */
  readonly pending: number;
  /** Messages delivered and not settled yet. */
  readonly ackPending: number;
  /** Messages delivered more than once and not settled yet. */
  readonly redelivered: number;
  /** Sequence of the last message delivered, in the stream. */
  readonly deliveredThrough: number;
  /** Sequence up to which everything delivered is settled. A message that waits for another attempt is not. */
  readonly settledThrough: number;
}

/** Liveness of one consumer loop of this process. */
export interface ConsumerLiveness {
  readonly stream: string;
  readonly consumer: string;
  /** `paused` by this process and `running` are well; a `stalled` one is being restored. */
  readonly state: 'running' | 'paused' | 'stalled' | 'stopped';
  /** Milliseconds since the server last sent a message or a heartbeat. */
  readonly silentMs: number;
}
