import { MessagePattern as NestMessagePattern } from '@nestjs/microservices';
import { JETSTREAM_TRANSPORT } from './event-pattern.decorator.js';

/** How requests on a subject are answered. */
export interface RequestOptions {
  /**
   * Processes of one queue group share the requests.
   * @default the name of the service
   */
  readonly queueGroup?: string;
  /**
   * Requests answered at the same time by one process. Up to 1,000 more wait, beyond which they are refused as busy.
   * @default 64
   */
  readonly concurrency?: number;
  /**
   * Milliseconds until the first value of the answer, and from each to the next; then the request is answered with an
   * error and the signal of its context aborted.
   * @default 20000
   */
  readonly timeoutMs?: number;
}

/** Subject of a request, or an object, which Nest's clients write as JSON with sorted keys. */
export type RequestPattern = string | Readonly<Record<string, unknown>>;

/**
 * Declares a handler that answers requests over core NATS, in the wire format of Nest's own NATS transport: to `ClientNats`,
 * `JetStreamClient.send()` and the `request()` of any NATS client. Nothing is stored: whoever asks is the one who tries again.
 * @param pattern subject, or an object as in Nest; no stream may hold it
 */
export function MessagePattern(
  pattern: RequestPattern | readonly RequestPattern[],
  options: RequestOptions = {},
): MethodDecorator {
  return NestMessagePattern([pattern].flat() as string[], JETSTREAM_TRANSPORT, options);
}
