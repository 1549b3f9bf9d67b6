import type { DeadLetterDetail } from '../../src/api.js';

/** For reading: large numbers lose digits, so nothing of it is sent. */
export function toReadableBody(body: DeadLetterDetail['body']): string {
  return body.kind === 'json' ? JSON.stringify(body.value, null, 2) : toBodyText(body);
}

/** What is copied and edited; empty when there is nothing. */
export function toBodyText(body: DeadLetterDetail['body']): string {
  switch (body.kind) {
    case 'json':
    case 'text':
      return body.text;
    case 'binary':
      return body.base64;
    case 'gone':
      return '';
  }
}

/** Why a text is no JSON; empty when it is. */
export function findJsonProblem(text: string): string {
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : 'it cannot be read';
  }
}

/** Id of the order or message that a trace starts from. */
export function findTraceId({
  headers,
  body,
}: Pick<DeadLetterDetail, 'headers' | 'body'>): string | undefined {
  const entries = headers === 'gone' ? [] : Object.entries(headers);
  const [eventId] = entries.find(([name]) => name.toLowerCase() === 'ce-id')?.[1] ?? [];
  if (eventId) return eventId;
  const { order_id: orderId, message_id: messageId } = Object(
    body.kind === 'json' ? body.value : undefined,
  ) as Record<string, unknown>;
  return [orderId, messageId].find((id) => typeof id === 'string');
}
