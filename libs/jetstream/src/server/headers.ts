import type { Msg, MsgHdrs } from '@nats-io/transport-node';

/** In what the server answers with when it was asked for a message of a stream, and in nothing that is published. */
const ANSWER_HEADER = 'Nats-Stream';

/**
 * The headers of a message, or undefined when it has none or the client cannot read them. The server stores any bytes as
 * headers, and the client throws on some of them when they are first asked for.
 */
export function readHeaders(message: { readonly headers?: Msg['headers'] }): MsgHdrs | undefined {
  try {
    return message.headers;
  } catch {
    return undefined;
  }
}

/** True when there are headers that the client cannot read. */
export function hasUnreadableHeaders(message: Pick<Msg, 'headers'>): boolean {
  try {
    void message.headers;
    return false;
  } catch {
    return true;
  }
}

/**
 * The first value of a header, whatever the case of its name: HTTP libraries, Go's among them, write `Traceparent` and
 * `Content-Type`. Empty when there is none.
 */
export function headerOf(headers: MsgHdrs | undefined, name: string): string {
  if (!headers) return '';
  const exact = headers.get(name);
  if (exact !== '') return exact;
  const spelled = headers.keys().find((key) => key.toLowerCase() === name);
  return spelled === undefined ? '' : headers.get(spelled);
}

/** Permissions bind those who publish, and not the server, which sends an answer to any subject a request names. */
export function isServerAnswer(headers: Pick<MsgHdrs, 'has'> | undefined): boolean {
  return headers?.has(ANSWER_HEADER) ?? false;
}
