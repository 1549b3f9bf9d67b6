import type { Msg } from '@nats-io/transport-node';
import { BadRequestException } from '@nestjs/common';
import { DeadLetterRequestedError, RetryableError, RetryRequestedError, TerminalError } from '../errors.js';
import type { HandlerDecision } from './jetstream.context.js';
import { retryDelayMs, type RetryPolicy } from './retry-policy.js';

/** What came of one attempt. */
export type Outcome = { readonly kind: 'handled' } | { readonly kind: 'failed'; readonly error: unknown };

export type Settlement =
  | { readonly verb: 'ack' }
  | { readonly verb: 'nak'; readonly delayMs: number; readonly error: unknown }
  | { readonly verb: 'dead-letter'; readonly error: unknown };

export const HANDLED: Outcome = { kind: 'handled' };

const ACK: Settlement = { verb: 'ack' };
const DEAD_LETTER_RETRY_MS = 5_000;

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
  }
}

/** Decides what becomes of a message. The only place that knows the rules. */
export function decide(
  outcome: Outcome,
  attempt: number,
  policy: RetryPolicy,
  random: () => number = Math.random,
): Settlement {
  if (outcome.kind === 'handled') return ACK;
  const { error } = outcome;
  if (isTerminal(error) || attempt >= policy.maxDeliver) return { verb: 'dead-letter', error };
  const ownDelayMs = error instanceof RetryableError ? error.delayMs : undefined;
  return { verb: 'nak', delayMs: ownDelayMs ?? retryDelayMs(policy, attempt, random), error };
}

/** Invalid payloads (Nest's validation pipe throws `BadRequestException`) stay invalid at every attempt. */
export function isTerminal(error: unknown): boolean {
  return error instanceof TerminalError || error instanceof BadRequestException;
}

/**
 * Applies a settlement and returns the one that was applied. The only place that may ack or nak.
 * The original is acked only after its dead-letter copy is stored; without the copy it stays in the stream.
 */
export function settle(
  message: Msg,
  settlement: Settlement,
  copyToDeadLetters: (error: unknown) => Promise<void>,
): Settlement | Promise<Settlement> {
  switch (settlement.verb) {
    case 'ack':
      acknowledge(message);
      return settlement;
    case 'nak':
      negativelyAcknowledge(message, settlement.delayMs);
      return settlement;
    case 'dead-letter':
      return deadLetter(message, settlement, copyToDeadLetters);
  }
}

async function deadLetter(
  message: Msg,
  settlement: Settlement & { verb: 'dead-letter' },
  copyToDeadLetters: (error: unknown) => Promise<void>,
): Promise<Settlement> {
  try {
    await copyToDeadLetters(settlement.error);
  } catch (error) {
    negativelyAcknowledge(message, DEAD_LETTER_RETRY_MS);
    return { verb: 'nak', delayMs: DEAD_LETTER_RETRY_MS, error };
  }
  acknowledge(message);
  return settlement;
}

/** Gives a message back that was never started, so that another process gets it at once. */
export function release(message: Msg): void {
  negativelyAcknowledge(message, 0);
}

/** Tells the server that the message is still being worked on, which restarts its ack wait. */
export function extend(message: Msg): void {
  message.respond(IN_PROGRESS);
}

const encoder = new TextEncoder();
const ACKNOWLEDGED = encoder.encode('+ACK');
const NOT_ACKNOWLEDGED = encoder.encode('-NAK');
const IN_PROGRESS = encoder.encode('+WPI');

function acknowledge(message: Msg): void {
  message.respond(ACKNOWLEDGED);
}

function negativelyAcknowledge(message: Msg, delayMs: number): void {
  const delayed = delayMs > 0;
  message.respond(
    delayed
      ? encoder.encode(`-NAK ${JSON.stringify({ delay: Math.round(delayMs * 1e6) })}`)
      : NOT_ACKNOWLEDGED,
  );
}

function decisionDelay(delayMs: number | undefined): { delayMs?: number } {
  return delayMs === undefined ? {} : { delayMs };
}
