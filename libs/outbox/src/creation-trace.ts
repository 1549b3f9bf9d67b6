import { propagation, SpanKind, type Context } from '@opentelemetry/api';
import { contextFor, contextOf, headersOf, isRecorded, spanContextOf, tracerOf } from '@slipstream/tracing';
import type { OutboxMessage } from './outbox.js';

const tracer = tracerOf('outbox');

/**
 * The headers of a message as JSON, with those by which its consumers continue the trace it was created in. It is sent
 * later, perhaps by another process: its creation is a span of its own, the producer in the terms of OpenTelemetry.
 */
export function tracedHeaders(message: OutboxMessage): string {
  const parent = contextFor(message.aggregateId);
  const trace = headersOf(mustRecord(parent) ? spanOf(message, parent) : parent);
  return joinObjects(JSON.stringify(message.headers), JSON.stringify(trace));
}

/** One JSON object of two, in which the second wins: to copy the headers of each message would take as long as to write them. */
function joinObjects(first: string, second: string): string {
  if (second === '{}') return first;
  return first === '{}' ? second : `${first.slice(0, -1)},${second.slice(1)}`;
}

/** Without a trace around it a message begins one of its own, if contexts are carried on at all. */
function mustRecord(parent: Context): boolean {
  return isRecorded(parent) || (spanContextOf(parent) === undefined && propagation.fields().length > 0);
}

function spanOf({ subject, messageId, aggregateId }: OutboxMessage, parent: Context): Context {
  const span = tracer.startSpan(
    `create ${subject}`,
    {
      kind: SpanKind.PRODUCER,
      attributes: {
        'messaging.system': 'nats',
        'messaging.operation.type': 'create',
        'messaging.operation.name': 'create',
        'messaging.destination.name': subject,
        'messaging.message.id': messageId,
        'messaging.message.conversation_id': aggregateId,
      },
    },
    parent,
  );
  span.end();
  return contextOf(span, parent);
}
