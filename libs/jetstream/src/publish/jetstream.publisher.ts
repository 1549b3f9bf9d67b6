import type { PubAck } from '@nats-io/jetstream';
import type { MsgHdrs } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import type { JetStreamConnection } from '../connection.js';
import { InvalidMessageError, PublishError } from '../errors.js';
import type { TransportObserver } from '../observer.js';
import { toHeaders, type OutgoingMessage } from './outgoing-message.js';

const ATTEMPTS = 3;
const TIMEOUT_MS = 5_000;
/** Room for the id header and the protocol line. */
const FRAMING_BYTES = 512;

/** Publishes to streams and waits for the server's word that the message is stored. */
export class JetStreamPublisher {
  constructor(
    private readonly connection: JetStreamConnection,
    private readonly observer: TransportObserver,
  ) {}

  /**
   * Resolves with the stream's acknowledgement. Lost answers are asked for again with the same message id.
   * @throws InvalidMessageError when the message can never be published as it is
   * @throws PublishError when the server did not confirm it; it may be stored nevertheless
   */
  async publish(message: OutgoingMessage): Promise<PubAck> {
    const headers = toHeaders(message);
    if (!this.fits(message)) {
      const limit = this.connection.nc.info?.max_payload;
      throw new InvalidMessageError(
        `message for "${message.subject}" exceeds the server's limit of ${limit} bytes`,
      );
    }
    const startedAt = performance.now();
    try {
      const ack = await this.send(message, headers);
      this.report(message, startedAt, ack.duplicate);
      return ack;
    } catch (cause) {
      const error = new PublishError(
        `publishing to "${message.subject}" was not confirmed: ${reasonOf(cause)}`,
        {
          cause,
        },
      );
      this.report(message, startedAt, false, error);
      throw error;
    }
  }

  /** True when the message is within the server's payload limit, headers included. */
  fits(message: OutgoingMessage): boolean {
    const headerBytes = Object.entries(message.headers ?? {}).reduce(
      (sum, [name, value]) => sum + name.length + Buffer.byteLength(value) + 4,
      FRAMING_BYTES,
    );
    return message.data.length + headerBytes <= (this.connection.nc.info?.max_payload ?? Infinity);
  }

  private send(message: OutgoingMessage, headers: MsgHdrs): Promise<PubAck> {
    return this.connection.client.publish(message.subject, message.data, {
      headers,
      msgID: message.messageId ?? randomUUID(),
      timeout: TIMEOUT_MS,
      retries: ATTEMPTS,
    });
  }

  private report(message: OutgoingMessage, startedAt: number, duplicate: boolean, error?: unknown): void {
    this.observer.published({
      subject: message.subject,
      messageId: message.messageId,
      durationMs: performance.now() - startedAt,
      duplicate,
      ...(error === undefined ? {} : { error }),
    });
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
