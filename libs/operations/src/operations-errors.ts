/** Base of what an operator is told. `code` is stable; `nextStep` says what to do, in a sentence. */
export abstract class OperationError extends Error {
  abstract readonly code: string;

  constructor(
    message: string,
    readonly nextStep: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No stream, consumer or dead letter of this name. */
export class NotFoundError extends OperationError {
  readonly code: string = 'OPERATIONS_NOT_FOUND';
}

/** The dead letter was dealt with, or never was. */
export class DeadLetterNotFoundError extends NotFoundError {
  override readonly code = 'OPERATIONS_DEAD_LETTER_NOT_FOUND';
}

/** A value an operator gave cannot be meant. */
export class InvalidRequestError extends OperationError {
  readonly code = 'OPERATIONS_INVALID_REQUEST';
}

/** No service takes redrives for the consumer: what is sent to it would wait for ever. */
export class NoRedriveConsumerError extends OperationError {
  readonly code = 'OPERATIONS_NO_REDRIVE_CONSUMER';
}

/** The message in the dead-letter stream does not say where it came from. */
export class UnknownOriginError extends OperationError {
  readonly code = 'OPERATIONS_UNKNOWN_ORIGIN';
}

/** The dead letter refers to the body in its stream, and that is no longer there. */
export class BodyGoneError extends OperationError {
  readonly code = 'OPERATIONS_BODY_GONE';
}

/** With what has to be told along, the message exceeds what the server takes. */
export class TooLargeError extends OperationError {
  readonly code = 'OPERATIONS_TOO_LARGE';
}

/** The server is too old for what was asked. */
export class ServerTooOldForOperationError extends OperationError {
  readonly code = 'OPERATIONS_SERVER_TOO_OLD';
}

/** A service of the system does not answer, or not with what was asked for. */
export class ServiceUnavailableError extends OperationError {
  readonly code = 'OPERATIONS_SERVICE_UNAVAILABLE';
}
