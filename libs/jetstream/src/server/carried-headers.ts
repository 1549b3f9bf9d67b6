import { headers as createHeaders, type MsgHdrs } from '@nats-io/transport-node';

const PRINTABLE_NAME = /^[!-9;-~]+$/;
const RENAMED = /^original-nats-/;
/** Headers that say what happened to a message; it did not come with them. */
const ADDED = /^(dead-letter|operation)-/;

/**
 * The headers of a message as a copy of it carries them in another stream. Server control headers are kept under another
 * name: left as they are they would act on the copy.
 */
export function carriedHeaders(headers: MsgHdrs | undefined): Record<string, string> {
  const copy: Record<string, string> = {};
  for (const name of (headers ?? createHeaders()).keys().filter((key) => PRINTABLE_NAME.test(key))) {
    const kept = /^nats-/i.test(name) ? `original-${name.toLowerCase()}` : name;
    copy[kept] = toHeaderValue((headers?.values(name) ?? []).join(', '));
  }
  return copy;
}

/** The headers a message had before it was copied. */
export function restoredHeaders(carried: MsgHdrs): MsgHdrs {
  const original = createHeaders();
  for (const name of carried.keys()) {
    if (ADDED.test(name) || /^nats-/i.test(name)) continue;
    const former = RENAMED.test(name) ? canonical(name.slice('original-'.length)) : name;
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
