import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { failpoint } from '@slipstream/failpoints';
import { DeadLetterRequestedError, RetryRequestedError } from '../errors.js';
import type { HandlerDecision } from './jetstream.context.js';
import { nextDelayMs, type RetryPolicy } from './retry-policy.js';

/** What came of one attempt. */
export type Outcome =
  | { readonly kind: 'handled' }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'terminated'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** What the handler needs is away, whatever the message. */
  | { readonly kind: 'outage'; readonly error: unknown };

export type Settlement =
  | { readonly verb: 'ack' }
  | { readonly verb: 'terminate'; readonly reason: string }
  | {
      readonly verb: 'nak';
      readonly delayMs: number;
      readonly error: unknown;
      /** The attempt counts for nothing. */
      readonly isOutage?: boolean;
    }
  | { readonly verb: 'dead-letter'; readonly error: unknown };

export const HANDLED: Outcome = { kind: 'handled' };
export const IGNORED: Outcome = { kind: 'ignored' };

/**
 * Begins the reason of every termination that a handler asked for. The server's advisory repeats it, by which the sweeper
 * tells what is meant to be gone from what somebody else's consumer gave up on.
 */
export const TERMINATED_BY_HANDLER = 'slipstream handler: ';

const ACK: Settlement = { verb: 'ack' };
const DEAD_LETTER_RETRY_MS = 5_000;
/** Bounds before a message is tried again that met an outage: the first doubles with every repetition. */
const OUTAGE_RETRY_MS = 1_000;
const OUTAGE_RETRY_CAP_MS = 30_000;

/** Turns what a handler recorded on its context into an outcome. */
export function outcomeOf(decision: HandlerDecision | undefined): Outcome {
  switch (decision?.kind) {
    case undefined:
      return HANDLED;
    case 'retry':
      return {
        kind: 'failed',
        error: new RetryRequestedError(
          'the handler asked for another attempt',
          decisionDelay(decision.delayMs),
        ),
      };
    case 'dead-letter':
      return { kind: 'failed', error: new DeadLetterRequestedError(decision.reason) };
    case 'terminate':
      return { kind: 'terminated', reason: decision.reason };
  }
}

/**
 * Decides what becomes of a message. The only place that knows the rules.
 * @param repeats earlier deliveries of the message that counted for nothing
 */
export function decide(
  outcome: Outcome,
  attempt: number,
  policy: RetryPolicy,
  repeats = 0,
  random: () => number = Math.random,
): Settlement {
  if (outcome.kind === 'handled' || outcome.kind === 'ignored') return ACK;
  if (outcome.kind === 'terminated') return { verb: 'terminate', reason: outcome.reason };
  const { error } = outcome;
  if (outcome.kind === 'outage') {
    return { verb: 'nak', delayMs: outageDelayMs(repeats, random), error, isOutage: true };
  }
  const delayMs = nextDelayMs(error, attempt, policy, random);
  return delayMs === undefined ? { verb: 'dead-letter', error } : { verb: 'nak', delayMs, error };
}

/** Applies settlements. The only place that may ack, nak or terminate. */
export class Settler {
  private acknowledged: Msg[] = [];

  constructor(private readonly nc: NatsConnection) {}

  /**
   * Applies a settlement and returns the one that was applied.
   * The original is acked only after its dead-letter copy is stored; without the copy it stays in the stream.
   */
  settle(
    message: Msg,
    settlement: Settlement,
    copyToDeadLetters: (error: unknown) => Promise<void>,
  ): Settlement | Promise<Settlement> {
    switch (settlement.verb) {
      case 'ack':
        this.acknowledge(message);
        return settlement;
      case 'terminate':
        message.respond(encoder.encode(`+TERM ${TERMINATED_BY_HANDLER}${settlement.reason}`));
        return settlement;
      case 'nak':
        failpoint('jetstream.before-nak');
        negativelyAcknowledge(message, settlement.delayMs);
        return settlement;
      case 'dead-letter':
        return this.deadLetter(message, settlement, copyToDeadLetters);
    }
  }

  /** Gives a message back that was never started, so that another process gets it at once. */
  release(message: Msg): void {
    negativelyAcknowledge(message, 0);
  }

  /** Tells the server that the message is still being worked on, which restarts its ack wait. */
  extend(message: Msg): void {
    message.respond(IN_PROGRESS);
  }

  /** Resolves when the server has everything that was settled. */
  async flush(): Promise<void> {
    this.sendAcknowledgements();
    await this.nc.flush();
  }

  private async deadLetter(
    message: Msg,
    settlement: Settlement & { verb: 'dead-letter' },
    copyToDeadLetters: (error: unknown) => Promise<void>,
  ): Promise<Settlement> {
    failpoint('jetstream.before-dead-letter');
    try {
      await copyToDeadLetters(settlement.error);
    } catch (error) {
      negativelyAcknowledge(message, DEAD_LETTER_RETRY_MS);
      return { verb: 'nak', delayMs: DEAD_LETTER_RETRY_MS, error };
    }
    failpoint('jetstream.after-dead-letter');
    this.acknowledge(message);
    return settlement;
  }

  /** Handlers end one promise after the other; sent one by one, each ack would cost a write to the socket. */
  private acknowledge(message: Msg): void {
    failpoint('jetstream.before-ack');
    if (this.acknowledged.push(message) === 1) setImmediate(() => this.sendAcknowledgements());
  }

  private sendAcknowledgements(): void {
    const messages = this.acknowledged;
    this.acknowledged = [];
    failpoint('jetstream.before-acks-sent');
    try {
      for (const message of messages) message.respond(ACKNOWLEDGED);
      failpoint('jetstream.after-acks-queued');
    } catch {
      // The connection is closed; the server delivers again after the ack wait.
    }
  }
}

const encoder = new TextEncoder();
const ACKNOWLEDGED = encoder.encode('+ACK');
const NOT_ACKNOWLEDGED = encoder.encode('-NAK');
const IN_PROGRESS = encoder.encode('+WPI');

function negativelyAcknowledge(message: Msg, delayMs: number): void {
  const delayed = delayMs > 0;
  message.respond(
    delayed
      ? encoder.encode(`-NAK ${JSON.stringify({ delay: Math.round(delayMs * 1e6) })}`)
      : NOT_ACKNOWLEDGED,
  );
}

/** Half of it is jitter: what failed together must not come back together. */
function outageDelayMs(repeats: number, random: () => number): number {
  const bound = Math.min(OUTAGE_RETRY_CAP_MS, OUTAGE_RETRY_MS * 2 ** Math.min(Math.max(repeats, 0), 16));
  return Math.round(bound * (0.5 + random() / 2));
}

function decisionDelay(delayMs: number | undefined): { delayMs?: number } {
  return delayMs === undefined ? {} : { delayMs };
}
