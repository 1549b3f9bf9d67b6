import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
} from '@opentelemetry/api';
import {
  contextOf,
  extractContext,
  headersOf,
  isRecorded,
  tracerOf,
  UnrecordedTrace,
} from '@slipstream/tracing';
import type { OutgoingMessage } from './outgoing-message.js';
import { PublishError } from './publish-errors.js';

/** A message on its way, with the headers by which its consumers continue its trace. */
export interface TracedMessage {
  readonly message: OutgoingMessage;
  /** Absent when nothing is recorded. */
  readonly span?: Span;
}

/** Spans of what is published, by the conventions of OpenTelemetry for messaging. */
export class PublishTracing {
  private readonly tracer = tracerOf('jetstream');

  /**
   * A message that brings the context in which it was created, as those of an outbox do, keeps it: sending it is a
   * client's span. Any other gets that of the span that sends it, which is its producer.
   */
  begin(message: OutgoingMessage): TracedMessage {
    if (UnrecordedTrace.read(message.headers?.['traceparent'])) return { message };
    const created = createdIn(message);
    if (created) return this.send(message, created);
    const span = this.start(message, SpanKind.PRODUCER, context.active());
    const headers = { ...message.headers, ...headersOf(contextOf(span, ROOT_CONTEXT)) };
    return span.isRecording()
      ? { message: { ...message, headers }, span }
      : { message: { ...message, headers } };
  }

  end({ span }: TracedMessage, error?: unknown): void {
    if (!span) return;
    if (error instanceof PublishError) {
      span.setAttribute('error.type', error.code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.code });
    }
    span.end();
  }

  private send(message: OutgoingMessage, created: Context): TracedMessage {
    const active = context.active();
    const parent = trace.getSpanContext(active) ? active : created;
    return isRecorded(parent)
      ? { message, span: this.start(message, SpanKind.CLIENT, parent, created) }
      : { message };
  }

  private start(message: OutgoingMessage, kind: SpanKind, parent: Context, created?: Context): Span {
    const producer = created && trace.getSpanContext(created);
    return this.tracer.startSpan(
      `publish ${message.subject}`,
      {
        kind,
        attributes: {
          'messaging.system': 'nats',
          'messaging.operation.type': 'send',
          'messaging.operation.name': 'publish',
          'messaging.destination.name': message.subject,
          ...(message.messageId !== undefined && { 'messaging.message.id': message.messageId }),
        },
        ...(producer && { links: [{ context: producer }] }),
      },
      parent,
    );
  }
}

function createdIn({ headers }: OutgoingMessage): Context | undefined {
  if (!headers) return undefined;
  return extractContext({ keys: () => Object.keys(headers), get: (name) => headers[name] ?? '' });
}
