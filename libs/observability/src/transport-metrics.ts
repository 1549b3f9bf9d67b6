import type { SettledDelivery, SettlementOutcome } from '@slipstream/jetstream';
import { Counter, Gauge, Histogram, register, type Registry } from 'prom-client';
import { BoundedCounts } from './bounded-labels.js';
import { ConsumerPositions } from './consumer-positions.js';

/** Distinct published subjects that get a label of their own; further ones count as `other`. */
const MAX_SUBJECTS = 200;

const DURATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const OUTCOMES = ['handled', 'ignored', 'terminated', 'retried', 'dead-lettered', 'released'] as const;

type OutcomeCounts = Record<SettlementOutcome, number>;

/** Counts of one consumer by pattern and outcome. */
export type ConsumerCounts = Map<string, OutcomeCounts>;

/**
 * Metrics of the message transport. Messages are counted in plain numbers, which a scrape adds to the counters:
 * prom-client hashes the labels on every increment, which costs more than all the rest.
 */
export class TransportMetrics {
  readonly positions = new ConsumerPositions();
  private readonly published = new BoundedCounts(MAX_SUBJECTS);
  private readonly consumers = new Map<string, ConsumerCounts>();
  private readonly duration: Histogram<'status'>;
  private readonly errors: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.registerCounters(registers);
    this.duration = new Histogram({
      name: 'order_processing_duration_seconds',
      help: 'Time that handlers took for a message, by how the message was settled.',
      labelNames: ['status'],
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    });
    this.errors = new Counter({
      name: 'order_processing_errors_total',
      help: 'Messages whose processing failed: retried or dead-lettered.',
      registers,
    });
    this.registerPositions(registers);
  }

  countPublished(subject: string): void {
    this.published.add(subject);
  }

  /** The counts of a consumer, to be kept by whoever counts its deliveries. */
  countsOf(consumer: string): ConsumerCounts {
    const counts = this.consumers.get(consumer) ?? new Map<string, OutcomeCounts>();
    this.consumers.set(consumer, counts);
    return counts;
  }

  countSettled(counts: ConsumerCounts, delivery: SettledDelivery): void {
    const { pattern, outcome } = delivery;
    let outcomes = counts.get(pattern);
    if (outcomes === undefined) {
      outcomes = { handled: 0, ignored: 0, terminated: 0, retried: 0, 'dead-lettered': 0, released: 0 };
      counts.set(pattern, outcomes);
    }
    outcomes[outcome] += 1;
    if (outcome === 'released' || outcome === 'ignored') {
      return;
    }
    this.duration.observe({ status: outcome }, delivery.durationMs / 1_000);
    if (outcome !== 'handled' && outcome !== 'terminated') {
      this.errors.inc();
    }
  }

  private registerCounters(registers: Registry[]): void {
    const { published, consumers } = this;
    new Counter({
      name: 'nats_messages_published_total',
      help: 'Messages that a stream acknowledged and had not stored before.',
      labelNames: ['subject'],
      registers,
      collect() {
        published.drain((subject, count) => this.inc({ subject }, count));
      },
    });
    new Counter({
      name: 'nats_messages_consumed_total',
      help: 'Deliveries that were settled, by the declared subject pattern, consumer and outcome.',
      labelNames: ['subject', 'consumer', 'outcome'],
      registers,
      collect() {
        for (const [consumer, counts] of consumers) {
          drainConsumer(consumer, counts, (labels, count) => this.inc(labels, count));
        }
      },
    });
  }

  private registerPositions(registers: Registry[]): void {
    const { positions } = this;
    new Gauge({
      name: 'nats_consumer_pending_messages',
      help: 'Messages in the stream that match the consumer and were not delivered yet.',
      labelNames: ['stream', 'consumer'],
      registers,
      async collect() {
        const current = await positions.read();
        this.reset();
        for (const { stream, consumer, pending } of current) {
          this.set({ stream, consumer }, pending);
        }
      },
    });
  }
}

let processMetrics: TransportMetrics | undefined;

/** The metrics of this process, in the registry that `/metrics` serves. */
export function transportMetrics(): TransportMetrics {
  processMetrics ??= new TransportMetrics(register);
  return processMetrics;
}

function drainConsumer(
  consumer: string,
  counts: ConsumerCounts,
  take: (labels: Record<'subject' | 'consumer' | 'outcome', string>, count: number) => void,
): void {
  for (const [subject, outcomes] of counts) {
    for (const outcome of OUTCOMES) {
      if (outcomes[outcome] > 0) {
        take({ subject, consumer, outcome }, outcomes[outcome]);
        outcomes[outcome] = 0;
      }
    }
  }
}
