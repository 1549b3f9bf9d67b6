/**
 * How a delivery was settled. `ignored` = none of its handler's business, `terminated` = ended by its handler without a dead letter, `released` = given back
 * unstarted, because the process is shutting down or the consumer is paused.
 */
export type SettlementOutcome =
  'handled' | 'ignored' | 'terminated' | 'retried' | 'dead-lettered' | 'released';

/** By which a log line finds its trace. */
export interface TraceIds {
  /** 32 and 16 hexadecimal digits. */
  readonly traceId: string;
  readonly spanId: string;
  /** False when no collector hears of it. */
  readonly isRecorded: boolean;
}

/** An error as logs and dead letters tell it: without credentials and without what the message holds. */
export interface Failure {
  readonly code: string;
  readonly errorClass: string;
  /** At most 1,024 characters. */
  readonly message: string;
  /** At most 4,096 characters. */
  readonly stack: string;
}

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
  /** 1-based number of times the server has delivered the message to this consumer. */
  readonly deliveryCount: number;
  /** As the codec read it; undefined when it found none. */
  readonly messageId: string | undefined;
  /** Log attributes the codec read from the message, such as `order_id`. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly outcome: SettlementOutcome;
  /** What the handler, a pipe or a guard threw; absent when handled. */
  readonly error?: unknown;
  /** The error, fit to be written down. */
  readonly failure?: Failure | undefined;
  /** Absent while tracing is off. */
  readonly trace?: TraceIds | undefined;
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

/** A message whose copy was stored as a dead letter. */
export interface DeadLettered {
  readonly stream: string;
  readonly consumer: string;
  /** Code of the error, such as `JS_UNDECODABLE_MESSAGE`; `UNKNOWN` when it has none. */
  readonly code: string;
}

/** Port for logs, metrics and traces. Called synchronously on the hot path: must not block. What it throws is logged. */
export interface TransportObserver {
  /** A delivery was settled: acked, given back, dead-lettered. */
  settled(delivery: SettledDelivery): void;
  /** A message was stored, or was not. */
  published(message: PublishedMessage): void;
  deadLettered?(letter: DeadLettered): void;
}

/** Server-side position of one durable consumer, whoever runs it. */
export interface ConsumerPosition {
  readonly stream: string;
  /** Name on the server; a durable with `orderBy` has a consumer for each partition. */
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
  /** Deliveries since the consumer was created, repeated ones included. */
  readonly deliveries: number;
  /** Deliveries up to which everything is settled. */
  readonly settledDeliveries: number;
  /** True while an operator has paused it on the server. */
  readonly isPaused: boolean;
}

/** What a stream holds. */
export interface StreamState {
  readonly stream: string;
  readonly messages: number;
  readonly bytes: number;
  /** Bytes beyond which it refuses messages; undefined without a limit. */
  readonly maxBytes: number | undefined;
  readonly lastSequence: number;
  /** When its oldest message was stored, in epoch milliseconds; undefined when it is empty. */
  readonly oldestAtMs: number | undefined;
  /** Name of the stream whose dead letters it holds; undefined for any other stream. */
  readonly deadLettersOf: string | undefined;
}

/** What the server says about the streams of this process and about every durable on them, whoever runs it. */
export interface TransportSurvey {
  readonly streams: readonly StreamState[];
  readonly consumers: readonly ConsumerPosition[];
}

/** Liveness of one consumer loop of this process. */
export interface ConsumerLiveness {
  readonly stream: string;
  readonly consumer: string;
  /** `paused` by this process and `running` are well; a `stalled` one is being restored. */
  readonly state: 'running' | 'paused' | 'stalled' | 'stopped';
  /** Milliseconds since the server last sent a message or a heartbeat. */
  readonly silentMs: number;
  /** Milliseconds for which messages have been waiting while none was delivered or settled, here or in any process. */
  readonly stuckMs: number;
  /** Messages that were not delivered yet when the server was last asked, seconds ago; 0 when it did not answer. */
  readonly pending: number;
  /** Messages this process has received and not settled, waiting or running. */
  readonly held: number;
}
