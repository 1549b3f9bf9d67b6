import { jetstream, JetStreamApiError, JetStreamError, type JetStreamClient } from '@nats-io/jetstream';
import {
  headers as createHeaders,
  RequestError,
  type MsgHdrs,
  type NatsConnection,
} from '@nats-io/transport-node';
import { toHeaderValue } from '@slipstream/jetstream';
import { NotFoundError, TooLargeError } from './operations-errors.js';

const WRONG_LAST_SEQUENCE = [10_071, 10_164];
const EXPECTATION_BYTES = 64;

/** Who does something, and why. Kept with what was done. */
export interface Operator {
  readonly by: string;
  readonly reason?: string | undefined;
}

/** What is written about one message. */
export interface OperationRecord {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly operator: Operator;
}

/** Writes down what operators do. */
export class Recorder {
  private readonly js: JetStreamClient;

  constructor(private readonly nc: NatsConnection) {
    this.js = jetstream(nc);
  }

  /**
   * Writes to the stream `OPERATIONS`, each subject once: the subject names what is done to which message, so doing it
   * again, at the same time or years later, finds it done.
   * @returns false when it was done before
   * @throws TooLargeError, NotFoundError when there is no such stream
   */
  async once({ subject, headers: given, body, operator }: OperationRecord): Promise<boolean> {
    const headers = toHeaders(given, operator);
    this.requireFit(subject, body.length + sizeOf(headers));
    try {
      await this.js.publish(subject, body, { headers, expect: { lastSubjectSequence: 0 }, retries: 3 });
      return true;
    } catch (error) {
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.includes(error.code)) return false;
      if (isNobodyThere(error)) throw missingStream(error);
      throw error;
    }
  }

  private requireFit(subject: string, size: number): void {
    const limit = this.nc.info?.max_payload ?? Infinity;
    // The client adds the expectation.
    if (size + EXPECTATION_BYTES <= limit) return;
    throw new TooLargeError(
      `the message for ${subject} has ${size} bytes with what has to be told along, the server takes ${limit}`,
      'Raise max_payload of the server for the time of the redrive, or edit the body.',
    );
  }
}

function sizeOf(headers: MsgHdrs): number {
  const fields = headers.keys().map((name) => `${name}: ${headers.get(name)}\r\n`);
  return Buffer.byteLength(fields.join(''));
}

function toHeaders(given: Readonly<Record<string, string>>, operator: Operator): MsgHdrs {
  const headers = createHeaders();
  for (const [name, value] of Object.entries(given)) headers.set(name, value);
  headers.set('operation-by', toHeaderValue(operator.by));
  headers.set('operation-at', new Date().toISOString());
  headers.set('operation-reason', toHeaderValue(operator.reason ?? ''));
  return headers;
}

/** The client takes a subject without a stream for a server without JetStream. */
function isNobodyThere(error: unknown): error is Error {
  return (
    error instanceof JetStreamError && error.cause instanceof RequestError && error.cause.isNoResponders()
  );
}

function missingStream(cause: Error): NotFoundError {
  return new NotFoundError(
    'there is no stream OPERATIONS to record what operators do',
    'Create it with "streams apply".',
    { cause },
  );
}
