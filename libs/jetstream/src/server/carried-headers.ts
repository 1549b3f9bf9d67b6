import { headers as createHeaders, type MsgHdrs } from '@nats-io/transport-node';

const PRINTABLE_NAME = /^[!-9;-~]+$/;
/** Headers that say what happened to a message; it did not come with them. */
const ADDED = /^(dead-letter|operation)-/;
/** Names that mean something else on a copy, and those that could be taken for renamed ones. */
const RESERVED = /^(original-)*(nats|dead-letter|operation)-/i;
const RENAMED = /^original-(?=(original-)*(nats|dead-letter|operation)-)/i;

/**
 * The headers of a message as a copy of it carries them in another stream. Server control headers are kept under another
 * name: left as they are they would act on the copy. So are those that look like what is told of the copy.
 */
export function carriedHeaders(headers: MsgHdrs | undefined): Record<string, string> {
  const copy: Record<string, string> = {};
  for (const name of (headers ?? createHeaders()).keys().filter((key) => PRINTABLE_NAME.test(key))) {
    const plain = /^nats-/i.test(name) ? name.toLowerCase() : name;
    const kept = RESERVED.test(name) ? `original-${plain}` : name;
    copy[kept] = toHeaderValue((headers?.values(name) ?? []).join(', '));
  }
  return copy;
}

/** The headers a message had before it was copied. */
export function restoredHeaders(carried: MsgHdrs): MsgHdrs {
  const original = createHeaders();
  for (const name of carried.keys()) {
    if (ADDED.test(name) || /^nats-/i.test(name)) continue;
    const plain = name.replace(RENAMED, '');
    const former = plain.startsWith('nats-') ? canonical(plain) : plain;
    for (const value of carried.values(name)) original.append(former, value);
  }
  return original;
}

/** A line break would end the header and let a text forge the next one. */
export function toHeaderValue(value: string): string {
  return value
    .replaceAll('\r\n', '\\n')
    .replaceAll('\n', '\\n')
    .replaceAll(/\p{Cc}/gu, ' ');
}

/** `nats-msg-id` → `Nats-Msg-Id`, as the server writes its own headers. */
function canonical(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}
