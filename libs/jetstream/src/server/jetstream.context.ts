import { BaseRpcContext } from '@nestjs/microservices';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import type { DeliveryInfo } from './delivery-info.js';
import { readHeaders } from './headers.js';

/** What a handler asked for instead of the ordinary settlement. Applied once, after the handler returned. */
export type HandlerDecision =
  | { readonly kind: 'retry'; readonly delayMs: number | undefined }
  | { readonly kind: 'dead-letter'; readonly reason: string }
  | { readonly kind: 'terminate'; readonly reason: string };

/** One delivery, as `@Ctx()` of a handler. */
export class JetStreamContext extends BaseRpcContext<[Msg]> {
  #decision: HandlerDecision | undefined;
  #abort: AbortController | undefined;
  #aborted: Error | undefined;
  #messageId: string | undefined;

  constructor(
    message: Msg,
    private readonly info: DeliveryInfo,
    /**
     * 1-based number of this attempt. Of a message that lay unstarted in the buffer of killed processes the first delivery
     * counts; what was given back at shutdown does not.
     */
    readonly attempt: number,
  ) {
    super([message]);
  }

  /** The message of the client. Settle it through the decisions of this context, never through `respond`. */
  get message(): Msg {
    return this.args[0];
  }

  /** Subject the message was published on. */
  get subject(): string {
    return this.message.subject;
  }

  /** Undefined when there are none, or none that can be read. */
  get headers(): MsgHdrs | undefined {
    return readHeaders(this.message);
  }

  /** The bytes as they came. */
  get data(): Uint8Array {
    return this.message.data;
  }

  /** Name of the stream that holds the message. */
  get stream(): string {
    return this.info.stream;
  }

  /** The durable the handler was declared with. */
  get consumer(): string {
    return this.info.consumer;
  }

  /** Sequence of the message in its stream. */
  get sequence(): number {
    return this.info.streamSequence;
  }

  /** When the stream stored the message. */
  get timestamp(): Date {
    return new Date(this.info.timestampMs);
  }

  /** True when an operator sent the message to this consumer once more. `timestamp` is that of the first time. */
  get isRedrive(): boolean {
    return this.info.redrive !== undefined;
  }

  /**
   * True when this is not the consumer's first delivery of the message, whether or not it was handled before. Of one that is
   * redriven, or met again by a consumer that was created anew, it is the first.
   */
  get isRedelivered(): boolean {
    return this.info.deliveryCount > 1;
  }

  /** Messages of this consumer that were undelivered when this one was sent. */
  get pending(): number {
    return this.info.pending;
  }

  /**
   * Identity of the event, the same for every redelivery; `<stream>:<sequence>:<milliseconds>` when the message carries none.
   * The time tells it from one of a stream that was created anew, which would count as handled.
   */
  get messageId(): string {
    return this.#messageId ?? `${this.stream}:${this.sequence}:${Math.trunc(this.info.timestampMs)}`;
  }

  /**
   * Aborted when the handler's time-out passes or the process must stop. A handler that does not heed it runs on, beside the
   * next attempt of its message.
   */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#aborted) this.#abort.abort(this.#aborted);
    return this.#abort.signal;
  }

  /**
   * Asks for another attempt after `delayMs` milliseconds, or after the handler's backoff; after the last one the message is
   * dead-lettered. As with the other decisions the last call counts, and an error that is thrown counts more.
   */
  retry(options: { delayMs?: number } = {}): void {
    this.#decision = { kind: 'retry', delayMs: options.delayMs };
  }

  /** Asks for the dead-letter stream without another attempt. */
  deadLetter(reason: string): void {
    this.#decision = { kind: 'dead-letter', reason };
  }

  /**
   * Ends the message for this consumer without another attempt and without a dead letter, for what is known to be
   * obsolete. The server announces `reason`, and the log keeps it.
   */
  terminate(reason: string): void {
    this.#decision = { kind: 'terminate', reason };
  }

  /** @internal */
  get decision(): HandlerDecision | undefined {
    return this.#decision;
  }

  /** @internal */
  identify(messageId: string | undefined): void {
    this.#messageId = messageId;
  }

  /** @internal */
  abort(reason: Error): void {
    this.#aborted = reason;
    this.#abort?.abort(reason);
  }
}

/** A batch, as `@Ctx()` of a batch handler: `messages[i]` belongs to `payload[i]`. */
export class JetStreamBatchContext extends BaseRpcContext<[readonly JetStreamContext[]]> {
  constructor(messages: readonly JetStreamContext[]) {
    super([messages]);
  }

  /** A context for each message, on which a handler records what is to become of that one alone. */
  get messages(): readonly JetStreamContext[] {
    return this.args[0];
  }

  /** A context of some of the messages, in their order. */
  pick(isWanted: (message: JetStreamContext, index: number) => boolean): JetStreamBatchContext {
    return new JetStreamBatchContext(this.messages.filter(isWanted));
  }

  /** Aborted when the handler's time-out passes or the process must stop. */
  get signal(): AbortSignal {
    return AbortSignal.any(this.messages.map((message) => message.signal));
  }

  /** @internal */
  abort(reason: Error): void {
    for (const message of this.messages) message.abort(reason);
  }
}
