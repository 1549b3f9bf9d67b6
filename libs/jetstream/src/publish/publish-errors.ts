import { JetStreamError } from '../errors.js';

/** What is known about a message that was not stored. */
export interface PublishFailure {
  readonly subject: string;
  readonly messageId?: string | undefined;
  /** Stream that refused the message. */
  readonly stream?: string | undefined;
  /** `err_code` of the server's answer. */
  readonly serverCode?: number | undefined;
  readonly cause?: unknown;
}

/** The server did not confirm a message. Subclasses say why; this one stands for answers without a class of their own. */
export class PublishError extends JetStreamError {
  /** One sentence for whoever reads the log. */
  static readonly remedy: string = 'Look up the error code of the server.';

  readonly code: string = 'JS_PUBLISH_FAILED';
  /**
   * True when publishing again with the same message id may succeed and, within the stream's duplicate window, stores
   * the message at most once.
   */
  readonly isRetryable: boolean = false;
  /** What to do, in a sentence. */
  readonly remedy: string;
  readonly subject: string;
  /** Undefined when the message was refused before it got one. */
  readonly messageId: string | undefined;
  /** Stream that refused the message, when one did. */
  readonly stream: string | undefined;
  /** `err_code` of the server's answer, when it gave one. */
  readonly serverCode: number | undefined;

  constructor(problem: string, failure: PublishFailure) {
    super(`publishing to "${failure.subject}" failed: ${problem}. ${new.target.remedy}`, {
      cause: failure.cause,
    });
    this.remedy = new.target.remedy;
    this.subject = failure.subject;
    this.messageId = failure.messageId;
    this.stream = failure.stream;
    this.serverCode = failure.serverCode;
  }
}

/** A message that must not be published as it is. Nothing was sent. */
export class InvalidMessageError extends PublishError {
  static override readonly remedy: string = 'Correct the message.';
  override readonly code: string = 'JS_INVALID_MESSAGE';
}

/** A header that is the server's own, has a malformed name, or would forge another header by a line break. */
export class InvalidHeaderError extends InvalidMessageError {
  static override readonly remedy = 'Rename the header, or encode its value.';
  override readonly code = 'JS_INVALID_HEADER';

  constructor(
    problem: string,
    /** Name of the header. */
    readonly header: string,
    failure: PublishFailure,
  ) {
    super(problem, failure);
  }
}

/** Larger than the server's payload limit, or than the stream's `max_msg_size` or 64 KiB of headers (10054, 10097). */
export class MessageTooLargeError extends InvalidMessageError {
  static override readonly remedy =
    'Put the body into an object store and publish its key, or raise the limit.';
  override readonly code = 'JS_MESSAGE_TOO_LARGE';
}

/** The server lacks a feature of the message. An older server would ignore its headers, so nothing was sent. */
export class ServerTooOldError extends PublishError {
  static override readonly remedy = 'Upgrade nats-server, or publish without this feature.';
  override readonly code = 'JS_SERVER_TOO_OLD';

  constructor(
    /** What the message asked for. */
    readonly feature: string,
    /** First nats-server release that has it. */
    readonly neededVersion: string,
    failure: PublishFailure,
  ) {
    super(`${feature} needs nats-server ${neededVersion} or newer`, failure);
  }
}

/** The stream is not configured for what the message asks for (10166, 10174, 10188). */
export class StreamLacksFeatureError extends PublishError {
  static override readonly remedy =
    'Change the configuration of the stream, or publish without this feature.';
  override readonly code = 'JS_STREAM_LACKS_FEATURE';
}

/** Nobody answered for the subject: no stream holds it, or its stream has no leader at the moment. */
export class NoStreamError extends PublishError {
  static override readonly remedy = 'Create a stream that holds the subject, or correct the subject.';
  override readonly code = 'JS_NO_STREAM';
  override readonly isRetryable = true;
}

/** The stream was deleted while the message was on its way (10059). */
export class StreamNotFoundError extends PublishError {
  static override readonly remedy = 'Create the stream.';
  override readonly code = 'JS_STREAM_NOT_FOUND';
}

/** `expect.stream` is another one than the stream that holds the subject (10060). */
export class WrongStreamError extends PublishError {
  static override readonly remedy = 'Correct the expected stream, or the subjects of the streams.';
  override readonly code = 'JS_WRONG_STREAM';
}

/** Somebody else wrote first: `expect.lastSequence` or `expect.lastSubjectSequence` is not the last one (10071, 10164). */
export class WrongLastSequenceError extends PublishError {
  static override readonly remedy = 'Read the current state, decide anew and publish with its sequence.';
  override readonly code = 'JS_WRONG_LAST_SEQUENCE';
  /** The last sequence as the server told it. */
  readonly lastSequence: number | undefined;

  constructor(problem: string, failure: PublishFailure) {
    super(problem, failure);
    const told = /: (\d+)$/.exec(problem)?.[1];
    this.lastSequence = told === undefined ? undefined : Number(told);
  }
}

/** The last message of the stream has another id than `expect.lastMessageId` (10070). */
export class WrongLastMessageIdError extends PublishError {
  static override readonly remedy = 'Read the current state, decide anew and publish with its last id.';
  override readonly code = 'JS_WRONG_LAST_MESSAGE_ID';
}

/** A limit of the stream is reached and it discards new messages (10077): back-pressure. */
export class StreamFullError extends PublishError {
  static override readonly remedy =
    'Publish more slowly until consumers caught up, or raise the limits of the stream.';
  override readonly code = 'JS_STREAM_FULL';
  override readonly isRetryable = true;
}

/** The account or the server has no storage or memory left (10023, 10028, 10047). */
export class InsufficientResourcesError extends PublishError {
  static override readonly remedy = 'Free or add storage, or raise the limits of the account.';
  override readonly code = 'JS_INSUFFICIENT_RESOURCES';
  override readonly isRetryable = true;
}

/** The stream has no leader, is offline, or its cluster has no quorum (10005, 10008, 10009, 10118, any other 503). */
export class StreamUnavailableError extends PublishError {
  static override readonly remedy = 'Look at the health of the servers that hold the stream.';
  override readonly code = 'JS_STREAM_UNAVAILABLE';
  override readonly isRetryable = true;
}

/** The stream takes in more than it can write (10167, any other 429). */
export class TooManyRequestsError extends PublishError {
  static override readonly remedy = 'Keep fewer messages on their way at the same time.';
  override readonly code = 'JS_TOO_MANY_REQUESTS';
  override readonly isRetryable = true;
}

/** A message with the same id is being stored at this moment (10158). */
export class DuplicateInProgressError extends PublishError {
  static override readonly remedy = 'Publish again to learn the sequence of the stored message.';
  override readonly code = 'JS_DUPLICATE_IN_PROGRESS';
  override readonly isRetryable = true;
}

/** An earlier message of the same order key was not stored, and this one must not overtake it. It was not sent. */
export class PrecedingMessageError extends PublishError {
  static override readonly remedy = 'Publish again from the message that failed.';
  override readonly code = 'JS_PRECEDING_MESSAGE_FAILED';
  override readonly isRetryable = true;
}

/** No answer came in time. The message may be stored. */
export class PublishTimeoutError extends PublishError {
  static override readonly remedy = 'Publish again with the same message id.';
  override readonly code = 'JS_PUBLISH_TIMEOUT';
  override readonly isRetryable = true;
}

/** The connection is closed or closing. The message may be stored. */
export class PublishConnectionClosedError extends PublishError {
  static override readonly remedy = 'Publish again with the same message id over an open connection.';
  override readonly code = 'JS_PUBLISH_CONNECTION_CLOSED';
  override readonly isRetryable = true;
}

/** The user of the connection may not publish on the subject, or not read the answer. */
export class PublishNotPermittedError extends PublishError {
  static override readonly remedy = 'Grant the user the permission the server names.';
  override readonly code = 'JS_PUBLISH_NOT_PERMITTED';
}

/** JetStream is off for the server or for the account (10039, 10076). */
export class JetStreamDisabledError extends PublishError {
  static override readonly remedy = 'Enable JetStream for the server and for the account.';
  override readonly code = 'JS_DISABLED';
}
