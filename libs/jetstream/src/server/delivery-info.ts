/** What the server says about a delivery. */
export interface DeliveryInfo {
  readonly stream: string;
  readonly consumer: string;
  /** 1 for the first delivery. */
  readonly deliveryCount: number;
  readonly streamSequence: number;
  /** Counts the deliveries of the consumer; a missing number is a lost message. */
  readonly consumerSequence: number;
  /** When the stream stored the message, in epoch milliseconds. */
  readonly timestampMs: number;
  /** Messages of the consumer that were still undelivered after this one. */
  readonly pending: number;
  /** Sequence in the stream `OPERATIONS` when an operator has sent the message to this consumer again. */
  readonly redrive?: number;
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<count>.<stream seq>.<consumer seq>.<time>.<pending>` and the later form with
 * domain and account hash in front of the stream (NATS ADR-15). Numbers are read when they are asked for.
 * @param declaredAs name of the consumer in the code where the server has it under another
 * @returns undefined when the reply subject is not that of a JetStream delivery
 */
export function parseDeliveryInfo(reply: string | undefined, declaredAs?: string): DeliveryInfo | undefined {
  const tokens = reply?.split('.') ?? [];
  const isDelivery = tokens[0] === '$JS' && tokens[1] === 'ACK' && tokens.length >= 9;
  return isDelivery ? new ReplySubject(tokens, tokens.length === 9 ? 2 : 4, declaredAs) : undefined;
}

class ReplySubject implements DeliveryInfo {
  readonly deliveryCount: number;

  constructor(
    private readonly tokens: readonly string[],
    private readonly start: number,
    private readonly declaredAs: string | undefined,
  ) {
    this.deliveryCount = this.number(2);
  }

  get stream(): string {
    return this.tokens[this.start] ?? '';
  }

  get consumer(): string {
    return this.declaredAs ?? this.tokens[this.start + 1] ?? '';
  }

  get streamSequence(): number {
    return this.number(3);
  }

  get consumerSequence(): number {
    return this.number(4);
  }

  get timestampMs(): number {
    return this.number(5) / 1e6;
  }

  get pending(): number {
    return this.number(6);
  }

  private number(offset: number): number {
    return Number(this.tokens[this.start + offset]);
  }
}
