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
  if (!reply?.startsWith('$JS.ACK.')) return undefined;
  const dots = dotsOf(reply);
  return dots.length >= 8 ? new ReplySubject(reply, dots, dots.length === 8 ? 2 : 4, declaredAs) : undefined;
}

/** Where the dots are. Split, each message would leave nine strings behind, most of which nobody reads. */
function dotsOf(subject: string): readonly number[] {
  const dots: number[] = [];
  for (let dot = subject.indexOf('.'); dot >= 0; dot = subject.indexOf('.', dot + 1)) dots.push(dot);
  return dots;
}

class ReplySubject implements DeliveryInfo {
  readonly deliveryCount: number;

  constructor(
    private readonly reply: string,
    private readonly dots: readonly number[],
    private readonly start: number,
    private readonly declaredAs: string | undefined,
  ) {
    this.deliveryCount = this.number(2);
  }

  get stream(): string {
    return this.token(0);
  }

  get consumer(): string {
    return this.declaredAs ?? this.token(1);
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
    return Number(this.token(offset));
  }

  private token(offset: number): string {
    const index = this.start + offset;
    return this.reply.slice((this.dots[index - 1] ?? -1) + 1, this.dots[index]);
  }
}
