import type { OnApplicationShutdown } from '@nestjs/common';
import type {
  DeadLettered,
  Failure,
  PublishedMessage,
  SettledDelivery,
  TransportObserver,
} from '@slipstream/jetstream';
import type { Level, Logger } from 'pino';
import type { ServerMetrics, TransportProbe } from './server-metrics.js';
import type { ConsumerMeter, TransportMetrics } from './transport-metrics.js';

const MAX_REASON = 1_024;

/** Message of every delivery line; what differs is in the fields. */
const DELIVERY_MESSAGE = 'delivery settled';

const LEVEL_OF: Readonly<Record<SettledDelivery['outcome'], Level>> = {
  handled: 'info',
  ignored: 'debug',
  terminated: 'info',
  retried: 'warn',
  'dead-lettered': 'error',
  released: 'debug',
};

/** What is kept per consumer, so that a delivery costs no lookup by labels and no merge of log fields. */
interface Channel {
  readonly log: Logger;
  readonly meter: ConsumerMeter;
}

/** Writes one line per settled delivery and counts deliveries and publishes. Give it to the JetStream transport. */
export class MessageObserver implements TransportObserver, OnApplicationShutdown {
  private readonly channels = new Map<string, Map<string, Channel>>();
  private readonly probes: TransportProbe[] = [];

  constructor(
    private readonly log: Logger,
    private readonly metrics: TransportMetrics,
    private readonly server: ServerMetrics,
  ) {}

  settled(delivery: SettledDelivery): void {
    const channel = this.channelOf(delivery.stream, delivery.consumer);
    const { trace } = delivery;
    this.metrics.countSettled(channel.meter, delivery, trace?.isRecorded ? trace.traceId : undefined);
    const level = LEVEL_OF[delivery.outcome];
    if (channel.log.isLevelEnabled(level)) {
      channel.log[level](fieldsOf(delivery), DELIVERY_MESSAGE);
    }
  }

  published(message: PublishedMessage): void {
    this.metrics.countPublished(message);
  }

  deadLettered(letter: DeadLettered): void {
    this.metrics.countDeadLettered(letter);
  }

  /**
   * Names what is asked when `/metrics` is scraped: the server at most once a second; while it does not answer, the
   * gauges that come from it are absent.
   */
  watch(probe: TransportProbe): void {
    this.probes.push(probe);
    this.server.add(probe);
  }

  onApplicationShutdown(): void {
    for (const probe of this.probes.splice(0)) this.server.remove(probe);
  }

  private channelOf(stream: string, consumer: string): Channel {
    let consumers = this.channels.get(stream);
    if (consumers === undefined) {
      consumers = new Map();
      this.channels.set(stream, consumers);
    }
    let channel = consumers.get(consumer);
    if (channel === undefined) {
      channel = { log: this.log.child({ stream, consumer }), meter: this.metrics.meterOf(stream, consumer) };
      consumers.set(consumer, channel);
    }
    return channel;
  }
}

/** The fields of a delivery line; `stream` and `consumer` are bound to the log of its channel. */
function fieldsOf(delivery: SettledDelivery): object {
  return {
    message_id: delivery.messageId,
    order_id: delivery.attributes['order_id'],
    trace_id: delivery.trace?.traceId,
    span_id: delivery.trace?.spanId,
    subject: delivery.subject,
    attempt: delivery.attempt,
    sequence: delivery.sequence,
    outcome: delivery.outcome,
    reason: delivery.reason?.slice(0, MAX_REASON),
    duration_ms: roundToMicroseconds(delivery.durationMs),
    age_ms: roundToMicroseconds(delivery.ageMs),
    error: delivery.failure && describe(delivery.failure),
  };
}

function describe({ errorClass, code, message, stack }: Failure): object {
  return { name: errorClass, code, message, stack };
}

function roundToMicroseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1_000) / 1_000;
}
