import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import type { Failure, TransportObserver } from '../observer.js';
import type { JetStreamPublisher } from '../publish/jetstream.publisher.js';
import { carriedHeaders, toHeaderValue } from './carried-headers.js';
import type { DeliveryInfo } from './delivery-info.js';
import { hasUnreadableHeaders, headerOf, readHeaders } from './headers.js';

const TRACE_ID_LENGTH = 32;
/** A stream takes 64 KiB of headers, whatever max_payload is; the rest is for those of the transport. */
const MAX_HEADER_BYTES = 65_000;

export interface DeadLetterOrigin {
  readonly service: string;
  readonly version: string;
  /** Subject of the dead-letter stream. */
  readonly subject: string;
}

export interface FailedDelivery {
  readonly message: Pick<Msg, 'subject' | 'headers' | 'data'>;
  readonly info: DeliveryInfo;
  readonly attempt: number;
  readonly failure: Failure;
  /** Trace of the attempt; that of the message when tracing is off. */
  readonly traceId?: string | undefined;
}

type Description = Readonly<Record<string, string>> & { readonly code: string };

/** Stores copies of messages that a consumer could not process, each once per consumer. */
export class DeadLetterQueue {
  constructor(
    private readonly publisher: JetStreamPublisher,
    private readonly origin: DeadLetterOrigin,
    private readonly observer: Pick<TransportObserver, 'deadLettered'> = {},
  ) {}

  /**
   * Publishes the original bytes and headers together with what went wrong, and resolves once they are stored.
   * The id is derived from stream, sequence, time and consumer, so a copy repeated after a crash is stored once. The time
   * tells it from an earlier message of a stream that was created anew. A redrive that failed again is another dead letter.
   */
  async store(failed: FailedDelivery): Promise<void> {
    const description = this.describe(failed);
    const added = Object.fromEntries(
      Object.entries(description).map(([name, value]) => [`dead-letter-${name}`, toHeaderValue(value)]),
    );
    const message = {
      subject: this.origin.subject,
      messageId: idOf(failed.info),
      data: failed.message.data,
      headers: { ...carriedHeaders(readHeaders(failed.message)), ...added },
    };
    // What is near the server's limit leaves no room for the reason. It is still in the stream under its sequence.
    const bodiless = {
      ...message,
      data: new Uint8Array(),
      headers: { ...message.headers, 'dead-letter-body': 'in-stream' },
    };
    const bare = {
      ...bodiless,
      headers: { ...added, 'dead-letter-body': 'in-stream', 'dead-letter-headers': 'in-stream' },
    };
    const copy = [message, bodiless].find(
      (whole) => sizeOf(whole.headers) <= MAX_HEADER_BYTES && this.publisher.fits(whole),
    );
    const { duplicate } = await this.publisher.publish(copy ?? bare);
    const { stream, consumer } = failed.info;
    if (!duplicate) this.observer.deadLettered?.({ stream, consumer, code: description.code });
  }

  private describe({ message, info, attempt, failure, traceId }: FailedDelivery): Description {
    return {
      code: failure.code,
      class: failure.errorClass,
      message: failure.message,
      stack: failure.stack,
      stream: info.stream,
      sequence: String(info.streamSequence),
      consumer: info.consumer,
      subject: message.subject,
      attempts: String(attempt),
      'first-at': new Date(info.timestampMs).toISOString(),
      'last-at': new Date().toISOString(),
      'trace-id': traceId ?? traceIdOf(readHeaders(message)),
      ...(hasUnreadableHeaders(message) ? { headers: 'unreadable' } : {}),
      service: this.origin.service,
      'service-version': this.origin.version,
    };
  }
}

function sizeOf(headers: Readonly<Record<string, string>>): number {
  return Buffer.byteLength(
    Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join(''),
  );
}

function idOf({ stream, streamSequence, consumer, timestampMs, redrive }: DeliveryInfo): string {
  const parts = [stream, streamSequence, consumer, Math.trunc(timestampMs)];
  return (redrive === undefined ? parts : [...parts, redrive]).join(':');
}

/** `traceparent` is `version-traceid-spanid-flags` (W3C Trace Context); foreign publishers vary its case. */
function traceIdOf(headers: MsgHdrs | undefined): string {
  return (headerOf(headers, 'traceparent').split('-')[1] ?? '').slice(0, TRACE_ID_LENGTH);
}
