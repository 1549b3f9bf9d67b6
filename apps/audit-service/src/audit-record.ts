import type { JetStreamContext } from '@slipstream/jetstream';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** One line of a segment: a message exactly as it was in its stream. */
export function toAuditRecord(message: JetStreamContext): string {
  const { stream, sequence, subject, timestamp, messageId } = message;
  return `${JSON.stringify({ stream, sequence, subject, at: timestamp, messageId, headers: headersOf(message), ...bodyOf(message.data) })}\n`;
}

function headersOf({ headers }: JetStreamContext): Record<string, string[]> {
  return Object.fromEntries((headers?.keys() ?? []).map((name) => [name, headers?.values(name) ?? []]));
}

/** Bytes that are no text are kept too, because nobody can say yet what they will prove. */
function bodyOf(data: Uint8Array): { body: string } | { bodyBase64: string } {
  try {
    return { body: utf8.decode(data) };
  } catch {
    return { bodyBase64: Buffer.from(data).toString('base64') };
  }
}
