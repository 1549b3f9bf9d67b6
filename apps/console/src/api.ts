// What the pages ask the server for and what they get. Types alone: both sides import them.
import type {
  AuditVerification,
  BulkResult,
  ConsumerOverview,
  DeadLetter,
  DeadLetterDetail,
  DeadLetterGroup,
  DeadLetterPage,
  DescribedDurable,
  DescribedService,
  Finding,
  Operator,
  OrderLife,
  RedriveOutcome,
  ReplayComparison,
  ReplayCount,
  ReplayResult,
  StreamOverview,
} from '@slipstream/operations';

export type {
  AuditVerification,
  ConsumerOverview,
  DeadLetter,
  DeadLetterDetail,
  DeadLetterGroup,
  DeadLetterPage,
  DescribedDurable,
  DescribedService,
  Finding,
  Operator,
  OrderLife,
  RedriveOutcome,
  ReplayComparison,
  ReplayCount,
  ReplayResult,
  StreamOverview,
};

/** `GET /api/about`: asked first; never refused. */
export interface About {
  /** Whether all else wants `Authorization: Bearer <CONSOLE_TOKEN>`. */
  readonly isProtected: boolean;
}

/** `GET /api/overview`: streams and consumers as they are now. */
export interface Overview {
  readonly serverVersion: string;
  readonly streams: readonly StreamOverview[];
  readonly consumers: readonly ConsumerOverview[];
}

/** One number at each of the times of a `History`; null where it is not known. */
export type Series = readonly (number | null)[];

/** `GET /api/history`: what was seen in the last quarter of an hour, also while nobody looked. */
export interface History {
  /** Seconds between two samples. */
  readonly intervalS: number;
  /** Epoch seconds, ascending. */
  readonly times: readonly number[];
  /** By name: messages stored per second. */
  readonly published: Readonly<Record<string, Series>>;
  /** By `stream/consumer`: messages that wait to be delivered. */
  readonly lag: Readonly<Record<string, Series>>;
  /**
   * By `stream/consumer`: deliveries settled per second, up to the first that is not: one that waits for its next attempt holds
   * up the count of all behind it.
   */
  readonly settled: Readonly<Record<string, Series>>;
  /** By `stream/consumer`: deliveries per second, repeated ones included. */
  readonly delivered: Readonly<Record<string, Series>>;
  /** By stream they come from: dead letters that are there. */
  readonly deadLetters: Readonly<Record<string, Series>>;
}

/** `GET /api/handlers`: what services declare, in words; needs no server. */
export interface Handlers {
  readonly services: readonly DescribedService[];
}

/**
 * `POST /api/consumers/:stream/:consumer/pause`; `…/resume` takes an `Operator` alone. Both answer a `ConsumerOverview`. Who did it
 * is in the console's log: the server keeps nothing of it.
 */
export interface PauseRequest extends Operator {
  /** ISO 8601 with its zone, in the future. */
  readonly until: string;
}

/**
 * Which dead letters; an empty `consumer`, `errorClass` or `errorCode` are those that tell none. In the query of `GET /api/dead-letters` and `…/groups` and in the body of bulk requests. */
export interface DeadLetterQuery {
  readonly stream?: string;
  readonly consumer?: string;
  readonly errorClass?: string;
  readonly errorCode?: string;
}

/** `GET /api/dead-letters/groups`: counted by consumer and error, most frequent first. */
export interface DeadLetterGroups {
  readonly groups: readonly DeadLetterGroup[];
}

/** `POST /api/dead-letters/:id/redrive`; `…/discard` takes an `Operator` alone. Both answer an `Outcome`. */
export interface RedriveRequest extends Operator {
  /** Text to send instead of the original body. */
  readonly body?: string;
}

export interface Outcome {
  readonly outcome: RedriveOutcome;
}

/** `POST /api/dead-letters/redrive` and `…/discard`: all that match and are there now. Both answer a `BulkOutcome`. */
export interface BulkRequest extends Operator {
  readonly filter: DeadLetterQuery;
}

export interface BulkOutcome extends Omit<BulkResult, 'failures'> {
  /** How many could not be dealt with. */
  readonly failed: number;
  /** Of those the first hundred. */
  readonly failures: readonly {
    readonly id: string;
    readonly code: string;
    readonly message: string;
    readonly nextStep: string;
  }[];
}

/** `POST /api/replays/count`, answered with a `ReplayCount`; nothing is sent. */
export interface ReplayCountRequest {
  readonly stream: string;
  readonly consumer: string;
  /** First and last: a sequence, or a time (ISO 8601 with its zone). All of the stream when left out. */
  readonly from?: number | string;
  readonly to?: number | string;
}

/** `POST /api/replays`, answered with a `ReplayResult`. */
export interface ReplayRequest extends ReplayCountRequest, Operator {
  /** Names the replay; the same name continues one that was interrupted, so a repeated request sends nothing twice. */
  readonly run: string;
}

/** `GET /api/topology/changes`: what differs from what the code declares. */
export interface TopologyChanges {
  readonly changes: readonly {
    readonly class: 'safe' | 'needs-migration' | 'refused';
    readonly description: string;
  }[];
}

/** `GET /api/findings`: what puts the guarantees of the system at risk. */
export interface Findings {
  readonly findings: readonly Finding[];
}

// `GET /api/lives/:id` answers an OrderLife, `GET /api/audit/verification` an AuditVerification,
// `GET /api/audit/comparison` a ReplayComparison.
