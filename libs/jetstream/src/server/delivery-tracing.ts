import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api';
import type { MsgHdrs, MsgHdrsImpl } from '@nats-io/transport-node';
import {
  contextOf,
  extractContext,
  runTogether,
  startTracedBy,
  tracerOf,
  UnrecordedTrace,
  type Member,
} from '@slipstream/tracing';
import { hash } from 'node:crypto';
import type { SettledDelivery, TraceIds } from '../observer.js';
import type { DeliveryInfo } from './delivery-info.js';
import type { Attempt } from './dispatch.js';
import { readHeaders } from './headers.js';
import type { ConsumerPlan } from './routes.js';
import type { Settlement } from './settle.js';

/** The trace of one attempt. */
export interface DeliveryTrace extends TraceIds {
  /** In which its handler runs. */
  readonly context: Context;
  /** Absent when nothing is recorded. */
  readonly span?: Span;
}

const VERBS: Readonly<Record<Settlement['verb'], string>> = {
  ack: 'ack',
  nak: 'nak',
  terminate: 'term',
  // The copy is a publish of its own; then the message is acked.
  'dead-letter': 'ack',
};

/** Spans of what a consumer does, by the conventions of OpenTelemetry for messaging. */
export class DeliveryTracing {
  private readonly tracer = tracerOf('jetstream');

  constructor(private readonly plan: ConsumerPlan) {}

  /**
   * Starts the span of an attempt in the trace its message came with. One that came without gets a trace that is
   * derived from its place in the stream, so that all its consumers and attempts share it.
   */
  begin(attempt: Attempt): DeliveryTrace {
    const headers = readHeaders(attempt.message);
    const unrecorded = headers && unrecordedTrace(headers);
    if (unrecorded) return unrecorded;
    const parent = extractContext(headers);
    if (parent) return this.beginIn(parent, attempt);
    const traceId = traceIdOf(attempt.info);
    return (
      UnrecordedTrace.begin(traceId) ?? startTracedBy(traceId, () => this.beginIn(ROOT_CONTEXT, attempt))
    );
  }

  /** Runs the handler of a batch, which belongs to the traces of all its messages. */
  together(attempts: readonly Attempt[], work: () => Promise<void>): Promise<void> {
    const members: Member[] = [];
    for (const attempt of attempts) if (attempt.trace) members.push(new BatchMember(attempt, attempt.trace));
    const attributes = {
      'messaging.system': 'nats',
      'messaging.batch.message_count': attempts.length,
      'messaging.consumer.group.name': this.plan.options.durable,
    };
    const name = `process batch ${this.plan.options.durable}`;
    return runTogether(members, { tracer: this.tracer, name, attributes }, work);
  }

  /** Starts the span of telling the server what becomes of a message; undefined when nothing is recorded. */
  settling({ trace: traced, route, info }: Attempt, { verb }: Settlement): Span | undefined {
    if (!traced?.span) return undefined;
    const operation = VERBS[verb];
    const attributes = {
      'messaging.system': 'nats',
      'messaging.operation.type': 'settle',
      'messaging.operation.name': operation,
      'messaging.consumer.group.name': info.consumer,
    };
    const name = `${operation} ${route?.pattern ?? info.stream}`;
    return this.tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, traced.context);
  }

  end({ trace: traced }: Attempt, { outcome, failure }: SettledDelivery): void {
    if (!traced?.span) return;
    traced.span.setAttribute('messaging.nats.outcome', outcome);
    if (failure) {
      traced.span.setAttribute('error.type', failure.code === 'UNKNOWN' ? failure.errorClass : failure.code);
      traced.span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
    }
    traced.span.end();
  }

  private beginIn(parent: Context, attempt: Attempt): DeliveryTrace {
    const span = this.start(attempt, parent);
    const { traceId, spanId } = span.spanContext();
    const context = contextOf(span, parent);
    if (!span.isRecording()) return { traceId, spanId, context, isRecorded: false };
    this.describe(span, attempt);
    return { traceId, spanId, context, span, isRecorded: true };
  }

  private start({ message, route, info }: Attempt, parent: Context): Span {
    const producer = trace.getSpanContext(parent);
    return this.tracer.startSpan(
      `process ${route?.pattern ?? info.stream}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: { 'messaging.system': 'nats', 'messaging.destination.name': message.subject },
        ...(producer && { links: [{ context: producer }] }),
      },
      parent,
    );
  }

  private describe(span: Span, { context, info, route, decoded }: Attempt): void {
    span.setAttributes({
      'messaging.operation.type': 'process',
      'messaging.operation.name': 'process',
      'messaging.consumer.group.name': info.consumer,
      'messaging.message.id': context.messageId,
      'messaging.nats.stream.name': info.stream,
      'messaging.nats.message.stream_sequence': info.streamSequence,
      'messaging.nats.message.consumer_sequence': info.consumerSequence,
      'messaging.nats.message.delivery_count': info.deliveryCount,
      'messaging.nats.message.attempt': context.attempt,
      ...(route && { 'messaging.destination.template': route.pattern }),
      ...decoded?.attributes,
    });
  }
}

class BatchMember implements Member {
  readonly isRecorded: boolean;

  constructor(
    private readonly attempt: Attempt,
    private readonly traced: DeliveryTrace,
  ) {
    this.isRecorded = traced.isRecorded;
  }

  get context(): Context {
    return this.traced.context;
  }

  /** By which a result tells the message that caused it: what its attributes name, such as the order. */
  get keys(): readonly string[] {
    return Object.values(this.attempt.decoded?.attributes ?? {});
  }
}

/** Baggage and vendors' state are carried on whether or not anything is recorded. */
function unrecordedTrace(headers: MsgHdrs): UnrecordedTrace | undefined {
  // The client's own lookup makes an array of all names each time.
  const values = (headers as MsgHdrsImpl).headers;
  const unrecorded = UnrecordedTrace.read(values.get('traceparent')?.[0]);
  return unrecorded && (values.has('baggage') || values.has('tracestate')) ? undefined : unrecorded;
}

function traceIdOf({ stream, streamSequence, timestampMs }: DeliveryInfo): string {
  return hash('sha256', `${stream}:${streamSequence}:${Math.trunc(timestampMs)}`).slice(0, 32);
}
