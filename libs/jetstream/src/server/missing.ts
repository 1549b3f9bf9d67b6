import { JetStreamApiError } from '@nats-io/jetstream';

const CONSUMER_NOT_FOUND = 10_014;
const STREAM_NOT_FOUND = 10_059;

/** True when the server says that it has no such consumer or stream. */
export function isMissing(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === CONSUMER_NOT_FOUND || error.code === STREAM_NOT_FOUND)
  );
}
