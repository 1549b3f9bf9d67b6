import type { Msg, MsgHdrs, Payload } from '@nats-io/transport-node';

const DONE = /^\+(ACK|TERM)/;
const NOT_ACKNOWLEDGED = '-NAK';

/** What a settlement says in the protocol of acknowledgements (NATS ADR-15). */
export type Verdict =
  { readonly kind: 'done' } | { readonly kind: 'nak'; readonly delayMs: number } | { readonly kind: 'other' };

/** A message whose settlement passes through this process before it reaches the server, if it does. */
export class OwnDelivery implements Msg {
  constructor(
    private readonly original: Msg,
    private readonly onResponse: (payload: Payload | undefined) => void,
  ) {}

  get subject(): string {
    return this.original.subject;
  }

  get sid(): number {
    return this.original.sid;
  }

  get reply(): string | undefined {
    return this.original.reply;
  }

  get data(): Uint8Array {
    return this.original.data;
  }

  get headers(): MsgHdrs | undefined {
    return this.original.headers;
  }

  respond(payload?: Payload): boolean {
    this.onResponse(payload);
    return true;
  }

  json<T>(): T {
    return this.original.json<T>();
  }

  string(): string {
    return this.original.string();
  }
}

export function readVerdict(payload: Payload | undefined): Verdict {
  const text = typeof payload === 'string' ? payload : Buffer.from(payload ?? []).toString();
  if (DONE.test(text)) return { kind: 'done' };
  if (!text.startsWith(NOT_ACKNOWLEDGED)) return { kind: 'other' };
  const options = text.slice(NOT_ACKNOWLEDGED.length).trim();
  const { delay = 0 } = options ? (JSON.parse(options) as { delay?: number }) : {};
  return { kind: 'nak', delayMs: delay / 1e6 };
}
