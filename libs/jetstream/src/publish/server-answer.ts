import { JetStreamApiError, type PubAck } from '@nats-io/jetstream';
import {
  ClosedConnectionError,
  DrainingConnectionError,
  PermissionViolationError,
  TimeoutError,
  type Msg,
} from '@nats-io/transport-node';
import {
  DuplicateInProgressError,
  InsufficientResourcesError,
  JetStreamDisabledError,
  MessageTooLargeError,
  NoStreamError,
  PublishConnectionClosedError,
  PublishError,
  PublishNotPermittedError,
  PublishTimeoutError,
  StreamFullError,
  StreamLacksFeatureError,
  StreamNotFoundError,
  StreamUnavailableError,
  TooManyRequestsError,
  WrongLastMessageIdError,
  WrongLastSequenceError,
  WrongStreamError,
  type PublishFailure,
} from './publish-errors.js';

type PublishErrorClass = new (problem: string, failure: PublishFailure) => PublishError;

/** Acknowledgement of a batch names the batch and counts its messages (ADR-50). */
export interface ServerAck extends PubAck {
  readonly count?: number;
}

interface ServerAnswer extends Partial<ServerAck> {
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

const BY_SERVER_CODE: Readonly<Record<number, PublishErrorClass>> = {
  10_005: StreamUnavailableError,
  10_008: StreamUnavailableError,
  10_009: StreamUnavailableError,
  10_023: InsufficientResourcesError,
  10_028: InsufficientResourcesError,
  10_039: JetStreamDisabledError,
  10_047: InsufficientResourcesError,
  10_054: MessageTooLargeError,
  10_059: StreamNotFoundError,
  10_060: WrongStreamError,
  10_070: WrongLastMessageIdError,
  10_071: WrongLastSequenceError,
  10_076: JetStreamDisabledError,
  10_077: StreamFullError,
  10_097: MessageTooLargeError,
  10_118: StreamUnavailableError,
  10_158: DuplicateInProgressError,
  10_164: WrongLastSequenceError,
  10_166: StreamLacksFeatureError,
  10_167: TooManyRequestsError,
  10_174: StreamLacksFeatureError,
  10_188: StreamLacksFeatureError,
};

const BY_STATUS: Readonly<Record<number, PublishErrorClass>> = {
  429: TooManyRequestsError,
  503: StreamUnavailableError,
};

const NO_RESPONDERS = 503;
const STREAM_NOT_FOUND = 10_059;

/** @throws PublishError when the answer is none of a stream that stored the message */
export function readAnswer(answer: Msg, failure: PublishFailure): ServerAck {
  if (answer.data.length === 0 && answer.headers?.code === NO_RESPONDERS) {
    throw new NoStreamError('no stream answered', failure);
  }
  const parsed = parse(answer, failure);
  if (parsed.error) throw refusal(parsed.error, { ...failure, stream: parsed.stream });
  const { stream, seq } = parsed;
  if (!stream || seq === undefined) throw new PublishError('the answer is none of a stream', failure);
  return { ...parsed, stream, seq, duplicate: parsed.duplicate ?? false };
}

/** Gives what the client threw its class. */
export function toPublishError(cause: unknown, message: PublishFailure): PublishError {
  if (cause instanceof PublishError) return cause;
  const failure = { ...message, cause };
  if (cause instanceof TimeoutError) return new PublishTimeoutError('no answer came', failure);
  if (cause instanceof ClosedConnectionError || cause instanceof DrainingConnectionError) {
    return new PublishConnectionClosedError(cause.message, failure);
  }
  if (cause instanceof PermissionViolationError) return new PublishNotPermittedError(cause.message, failure);
  const problem = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof JetStreamApiError && cause.code === STREAM_NOT_FOUND) {
    return new NoStreamError(problem, failure);
  }
  return new PublishError(problem, failure);
}

function parse(answer: Msg, failure: PublishFailure): ServerAnswer {
  try {
    return answer.json<ServerAnswer>();
  } catch (cause) {
    // Somebody else listens on the subject and answered instead of, or before, the stream.
    throw new PublishError('the answer is none of a stream', { ...failure, cause });
  }
}

function refusal(error: NonNullable<ServerAnswer['error']>, failure: PublishFailure): PublishError {
  const { code, err_code: serverCode, description } = error;
  const ErrorClass = BY_SERVER_CODE[serverCode ?? 0] ?? BY_STATUS[code] ?? PublishError;
  return new ErrorClass(description ?? `status ${code}`, { ...failure, serverCode });
}
