import type { MsgHdrs } from '@nats-io/transport-node';
import { restoredHeaders } from '@slipstream/jetstream';

/** A message that one consumer could not process, as a list shows it. Unknown values are empty or 0. */
export interface DeadLetter {
  /** Stream and sequence of the dead letter, such as `ORDERS:42`: what commands take. */
  readonly id: string;
  /** Stream, sequence and subject the message has where it was published. */
  readonly stream: string;
  readonly sequence: number;
  readonly subject: string;
  /** Durable that could not process it. */
  readonly consumer: string;
  readonly errorCode: string;
  readonly errorClass: string;
  readonly errorMessage: string;
  readonly attempts: number;
  /** When the message was published, and when its last attempt ended (ISO 8601). */
  readonly firstAt: string;
  readonly lastAt: string;
  readonly service: string;
  readonly traceId: string;
  /** Size of the body; null when it was too large to be copied and is in its stream only. */
  readonly bytes: number | null;
}

/** A dead letter with all that is known of it. */
export interface DeadLetterDetail extends DeadLetter {
  readonly stack: string;
  readonly serviceVersion: string;
  /** Headers the message came with; `gone` when they were too large to be copied and are no longer in its stream. */
  readonly headers: Readonly<Record<string, readonly string[]>> | 'gone';
  readonly body: DecodedBody;
}

/** A body as far as it can be read without its schema. */
export type DecodedBody =
  /** The value loses digits of numbers that JavaScript has no room for; the text does not. */
  | { readonly kind: 'json'; readonly value: unknown; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'binary'; readonly base64: string }
  /** Too large to be copied and no longer in its stream. */
  | { readonly kind: 'gone' };

/** Not those of text: tab and the ends of lines. */
const CONTROL_CHARACTER = /[^\P{Cc}\t\n\r]/u;

/** Where a dead letter is stored. */
export interface DeadLetterPosition {
  /** Stream it came from; its dead letters are in `<stream>_DLQ`. */
  readonly stream: string;
  /** Sequence in the dead-letter stream. */
  readonly sequence: number;
}

/** @returns undefined when it is no id of a dead letter */
export function parseDeadLetterId(id: string): DeadLetterPosition | undefined {
  const [, stream, sequence] = /^([^\s.*>:]+):([1-9]\d{0,15})$/.exec(id) ?? [];
  return stream === undefined ? undefined : { stream, sequence: Number(sequence) };
}

export function toDeadLetter(
  { stream, sequence }: DeadLetterPosition,
  headers: MsgHdrs,
  bytes: number,
): DeadLetter {
  const told = (name: string) => headers.get(`dead-letter-${name}`);
  return {
    id: `${stream}:${sequence}`,
    stream: told('stream') || stream,
    sequence: Number(told('sequence')),
    subject: told('subject'),
    consumer: told('consumer'),
    errorCode: told('code'),
    errorClass: told('class'),
    errorMessage: told('message'),
    attempts: Number(told('attempts')),
    firstAt: told('first-at'),
    lastAt: told('last-at'),
    service: told('service'),
    traceId: told('trace-id'),
    bytes: told('body') === 'in-stream' ? null : bytes,
  };
}

export function toDetail(
  letter: DeadLetter,
  headers: MsgHdrs,
  body: Uint8Array | undefined,
): DeadLetterDetail {
  return {
    ...letter,
    stack: headers.get('dead-letter-stack').replaceAll('\\n', '\n'),
    serviceVersion: headers.get('dead-letter-service-version'),
    headers: valuesOf(restoredHeaders(headers)),
    body: body ? decodeBody(body) : { kind: 'gone' },
  };
}

export function valuesOf(headers: MsgHdrs): Record<string, string[]> {
  return Object.fromEntries(headers.keys().map((name) => [name, headers.values(name)]));
}

function decodeBody(body: Uint8Array): DecodedBody {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    // Short Protobuf messages are valid UTF-8, too, and no editor keeps their bytes.
    return CONTROL_CHARACTER.test(text) ? toBinary(body) : toText(text);
  } catch {
    return toBinary(body);
  }
}

function toText(text: string): DecodedBody {
  try {
    return { kind: 'json', value: JSON.parse(text), text };
  } catch {
    return { kind: 'text', text };
  }
}

function toBinary(body: Uint8Array): DecodedBody {
  return { kind: 'binary', base64: Buffer.from(body).toString('base64') };
}
