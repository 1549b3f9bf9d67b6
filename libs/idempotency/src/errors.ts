import { BadRequestException } from '@nestjs/common';

/**
 * A message id came again on the same subject with another body. One of the two is not what its producer meant, and no
 * later attempt changes that: the transport dead-letters a `BadRequestException` at once.
 */
export class MessageConflictError extends BadRequestException {
  readonly code = 'IDEMPOTENCY_MESSAGE_CONFLICT';

  constructor(
    readonly consumer: string,
    readonly messageId: string,
  ) {
    super(
      `message id "${messageId}" came to "${consumer}" before with another body; it was not processed again`,
    );
    this.name = MessageConflictError.name;
  }
}

/**
 * A message is not known, but so old that the inbox may have forgotten it: it was processed or it was not. Processing it
 * could do twice what must be done once, so it is dead-lettered; redriven, it is processed.
 */
export class MessageTooOldError extends BadRequestException {
  readonly code = 'IDEMPOTENCY_MESSAGE_TOO_OLD';

  constructor(
    readonly consumer: string,
    readonly messageId: string,
    /** Time before which keys are forgotten. */
    readonly keptSince: Date,
  ) {
    super(
      `message "${messageId}" is older than what the inbox of "${consumer}" knows, which begins at ${keptSince.toISOString()}; ` +
        'it may have been processed',
    );
    this.name = MessageTooOldError.name;
  }
}

/** Another process holds the lease of the message and did not finish while this one waited. Worth another attempt. */
export class MessageInProgressError extends Error {
  override readonly name = 'MessageInProgressError';
  readonly code = 'IDEMPOTENCY_IN_PROGRESS';
}

/**
 * The lease ended before the effect did, and another process may have taken the message over. The effect has run, and may
 * run or have run there as well.
 */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
  readonly code = 'IDEMPOTENCY_LEASE_LOST';
}

/** The transaction took longer than the inbox can answer for; it was rolled back. */
export class TransactionTooLongError extends Error {
  override readonly name = 'TransactionTooLongError';
  readonly code = 'IDEMPOTENCY_TRANSACTION_TOO_LONG';
}

/** A declaration that cannot make its handler idempotent. Raised at start, before a message is taken. */
export class InvalidIdempotentHandlerError extends Error {
  override readonly name = 'InvalidIdempotentHandlerError';
  readonly code = 'IDEMPOTENCY_INVALID_HANDLER';
}
