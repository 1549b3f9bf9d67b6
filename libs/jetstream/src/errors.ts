/** Base of every error this library raises. `code` is stable and never reused. */
export abstract class JetStreamError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A declaration that cannot work. Raised at start, before a message is taken. */
export class InvalidHandlerError extends JetStreamError {
  readonly code = 'JS_INVALID_HANDLER';
}

/** Options of `JetStreamModule` that cannot work. Raised when the application is built; `problems` has a sentence for each. */
export class InvalidOptionsError extends JetStreamError {
  readonly code = 'JS_INVALID_OPTIONS';

  constructor(readonly problems: readonly string[]) {
    super(`JetStreamModule: ${problems.join('; ')}`);
  }
}

/** `pause` or `resume` named a durable that this process does not run. */
export class UnknownDurableError extends JetStreamError {
  readonly code = 'JS_UNKNOWN_DURABLE';
}

/** Throw from a handler when no later attempt can succeed: the message is dead-lettered at once. */
export class TerminalError extends JetStreamError {
  readonly code: string = 'JS_TERMINAL';
}

/** The bytes of a message could not be decoded into a payload. */
export class UndecodableMessageError extends TerminalError {
  override readonly code = 'JS_UNDECODABLE';
}

/**
 * The consumer received a subject that none of its handlers declared. It is tried again: while a release rolls out, a process
 * of the newer version may have the handler.
 */
export class UnroutableMessageError extends JetStreamError {
  readonly code = 'JS_UNROUTABLE';
}

/**
 * The message is an answer of the server to a request that named this subject as the one to answer to. Whoever may read
 * messages of its own can so have them stored where it may not publish.
 */
export class ServerAnswerError extends TerminalError {
  override readonly code = 'JS_SERVER_ANSWER';
}

/** The handler asked for the dead-letter stream through `context.deadLetter(reason)`. */
export class DeadLetterRequestedError extends TerminalError {
  override readonly code = 'JS_DEAD_LETTER_REQUESTED';
}

/** The message was started more often than `maxDeliver` and the crash allowance permit, and never settled. */
export class CrashLoopError extends TerminalError {
  override readonly code = 'JS_CRASH_LOOP';
}

/** Throw from a handler to be tried again, optionally after a delay of its own. */
export class RetryableError extends JetStreamError {
  readonly code: string = 'JS_RETRYABLE';
  /** Milliseconds until the next attempt; the handler's backoff when absent. */
  readonly delayMs: number | undefined;
  /** Milliseconds before which another attempt is useless; the backoff may wait longer. */
  readonly notBeforeMs: number;

  constructor(message: string, options: ErrorOptions & { delayMs?: number; notBeforeMs?: number } = {}) {
    super(message, options);
    this.delayMs = options.delayMs;
    this.notBeforeMs = options.notBeforeMs ?? 0;
  }
}

/**
 * Throw from a handler when what it needs is away and the message is not at fault. It is repeated for as long as that
 * lasts, as for `isOutage` of the options: no attempt counts, and nothing becomes a dead letter.
 */
export class OutageError extends JetStreamError {
  readonly code: string = 'JS_OUTAGE';
}

/** The handler asked for another attempt through `context.retry()`. */
export class RetryRequestedError extends RetryableError {
  override readonly code = 'JS_RETRY_REQUESTED';
}

/** The handler ran longer than its `timeoutMs`. Its signal is aborted and the message is tried again. */
export class HandlerTimeoutError extends RetryableError {
  override readonly code = 'JS_HANDLER_TIMEOUT';
}

/**
 * Nest's own exception filter replaced the error of a handler, so nobody can tell whether another attempt makes sense. Attach
 * the transport with `connectJetStream(app)`; a microservice of its own needs `app.useGlobalFilters(new ErrorIdentityFilter())`.
 */
export class ErrorReplacedError extends JetStreamError {
  readonly code = 'JS_ERROR_REPLACED';

  constructor(cause: unknown) {
    super(
      "Nest's own filter replaced the handler's error; attach the transport with connectJetStream(app), or set " +
        'ErrorIdentityFilter as a global filter of the microservice',
      { cause },
    );
  }
}
