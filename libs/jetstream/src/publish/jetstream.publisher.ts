import type { PubAck } from '@nats-io/jetstream';
import type { JetStreamConnection } from '../connection.js';
import type { TransportObserver } from '../observer.js';
import { AckInbox } from './ack-inbox.js';
import { BatchPublisher, type BatchReceipt, type BatchResult } from './batch.js';
import { Exchange } from './exchange.js';
import { MessagePreparation } from './message-preparation.js';
import { toWire, type OutgoingMessage, type WireMessage } from './outgoing-message.js';
import { PublishError } from './publish-errors.js';
import type { PublishTracing, TracedMessage } from './publish-tracing.js';
import { repeat } from './repeat.js';
import { ServerCapabilities } from './server-capabilities.js';

type Prepared = WireMessage | PublishError;

/** Publishes to streams and waits for the server's word that the message is stored. */
export class JetStreamPublisher {
  private readonly preparation: MessagePreparation;
  private readonly exchange: Exchange;
  private readonly batches: BatchPublisher;

  constructor(
    connection: JetStreamConnection,
    private readonly observer: TransportObserver,
    /** Absent while tracing is off. */
    private readonly tracing?: PublishTracing,
  ) {
    const capabilities = new ServerCapabilities(connection);
    this.preparation = new MessagePreparation(connection, capabilities);
    const inbox = new AckInbox(connection.nc, connection.inboxPrefix);
    this.exchange = new Exchange(connection.nc, inbox, connection.own);
    this.batches = new BatchPublisher(this.exchange, capabilities);
  }

  /**
   * Resolves with the stream's acknowledgement. What may succeed in a moment is tried up to three times, always with the
   * same message id. Calls that overlap are stored in any order.
   * @throws InvalidMessageError when the message can never be published as it is; nothing was sent
   * @throws ServerTooOldError or StreamLacksFeatureError when it asks for what the server or the stream does not have
   * @throws PublishError when the server did not confirm it; see its subclasses and `isRetryable`
   */
  async publish(outgoing: OutgoingMessage): Promise<PubAck> {
    const traced = this.trace(outgoing);
    const wire = await this.prepare(traced);
    const startedAt = performance.now();
    try {
      const ack = await repeat(wire, (again) => this.exchange.store(again));
      this.report(traced, performance.now() - startedAt, ack.duplicate);
      return ack;
    } catch (error) {
      this.report(traced, performance.now() - startedAt, false, error);
      throw error;
    }
  }

  /**
   * Publishes 2 to 1000 messages of one stream as an atomic batch, where the server (2.12) and the stream
   * (`allow_atomic`) have it; all others, and a batch the server refuses, one by one without waiting in between.
   * Messages of one subject are stored in order: one that failed while a later one was stored is not tried again here.
   * Never throws for a message: its place in the receipt holds the error, and its neighbours are published.
   */
  async publishBatch(messages: readonly OutgoingMessage[]): Promise<BatchReceipt> {
    const startedAt = performance.now();
    const prepared: Prepared[] = [];
    const traced = messages.map((message) => this.trace(message));
    for (const { message } of traced) {
      const wire = this.prepareInBatch(message);
      prepared.push(wire instanceof Promise ? await wire : wire);
    }
    const { acks, ...receipt } = await this.batches.store(prepared.filter(isSendable));
    const durationMs = performance.now() - startedAt;
    const stored = acks.values();
    const results = prepared.map((wire, index): BatchResult => {
      if (wire instanceof PublishError) {
        this.end(traced[index], wire);
        return wire;
      }
      const result = stored.next().value ?? new PublishError('nothing is known about it', wire);
      const message = traced[index];
      if (!message) return result;
      if (result instanceof PublishError) this.report(message, durationMs, false, result);
      else this.report(message, durationMs, result.duplicate);
      return result;
    });
    return { ...receipt, acks: results };
  }

  /**
   * True when the message is within the server's payload limit, headers included.
   * @throws InvalidMessageError when it can never be published
   */
  fits(message: OutgoingMessage): boolean {
    return this.preparation.fits(toWire(message));
  }

  private async prepare(traced: TracedMessage): Promise<WireMessage> {
    try {
      return await this.preparation.prepare(traced.message);
    } catch (error) {
      this.end(traced, error);
      throw error;
    }
  }

  private prepareInBatch(message: OutgoingMessage): Prepared | Promise<Prepared> {
    try {
      const wire = this.preparation.prepare(message);
      return wire instanceof Promise ? wire.catch((error: PublishError) => error) : wire;
    } catch (error) {
      return error as PublishError;
    }
  }

  private trace(message: OutgoingMessage): TracedMessage {
    return this.tracing ? this.tracing.begin(message) : { message };
  }

  private end(traced: TracedMessage | undefined, error?: unknown): void {
    if (traced) this.tracing?.end(traced, error);
  }

  private report(traced: TracedMessage, durationMs: number, duplicate: boolean, error?: unknown): void {
    const { message } = traced;
    this.end(traced, error);
    this.observer.published({
      subject: message.subject,
      messageId: message.messageId,
      durationMs,
      duplicate,
      ...(error === undefined ? {} : { error }),
    });
  }
}

function isSendable(prepared: Prepared): prepared is WireMessage {
  return !(prepared instanceof PublishError);
}
