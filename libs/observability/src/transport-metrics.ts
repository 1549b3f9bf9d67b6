import type {
  DeadLettered,
  PublishedMessage,
  SettledDelivery,
  SettlementOutcome,
} from '@slipstream/jetstream';
import { Counter, register, type Registry } from 'prom-client';
import { BoundedCounts, OTHER_LABEL, subjectPattern } from './bounded-labels.js';
import { DURATION_BUCKETS_SECONDS, PlainHistogram, type HistogramCell } from './plain-histogram.js';

/** Distinct values that get a label of their own; further ones count as `other`. */
const MAX_SUBJECTS = 200;
const MAX_CONSUMERS = 200;
const MAX_REASONS = 50;

const ATTEMPT_BUCKETS = [1, 2, 3, 4, 5, 10];

const OUTCOMES = ['handled', 'ignored', 'terminated', 'retried', 'dead-lettered', 'released'] as const;
const PUBLISH_OUTCOMES = ['stored', 'duplicate', 'failed'] as const;

type Place = 'stream' | 'consumer';
type OutcomeCounts = Record<SettlementOutcome, number>;

/** What is counted of one consumer, kept by whoever counts its deliveries. */
export interface ConsumerMeter {
  readonly place: Record<Place, string>;
  readonly outcomes: Map<string, OutcomeCounts>;
  redeliveries: number;
  readonly deadLetters: BoundedCounts;
  readonly handling: HistogramCell<Place>;
  readonly criticalTime: HistogramCell<Place>;
  readonly attempts: HistogramCell<Place>;
}

/**
 * Metrics of the message transport. Messages are counted in plain numbers, which a scrape adds to the counters:
 * prom-client hashes the labels on every increment, which costs more than all the rest.
 */
export class TransportMetrics {
  private readonly published = new BoundedCounts(MAX_SUBJECTS, subjectPattern);
  private readonly publishErrors = new BoundedCounts(MAX_REASONS);
  private readonly meters = new Map<string, ConsumerMeter>();
  private readonly processing: Record<SettlementOutcome, HistogramCell<'status'>>;
  private readonly publishing: Record<(typeof PUBLISH_OUTCOMES)[number], HistogramCell<'outcome'>>;
  private readonly histograms: Record<'handling' | 'criticalTime' | 'attempts', PlainHistogram<Place>>;
  private errors = 0;

  constructor(private readonly registry: Registry) {
    this.registerPublishCounters();
    this.registerConsumerCounters();
    const processing = this.histogram<'status'>(
      'order_processing_duration_seconds',
      'Time that handlers took for a message, by how the message was settled.',
      ['status'],
    );
    this.processing = cells(OUTCOMES, (status) => processing.cell({ status }));
    const publishing = this.histogram<'outcome'>(
      'jetstream_publish_duration_seconds',
      'Time from a publish to the word of the stream, of a message or the batch it was part of.',
      ['outcome'],
    );
    this.publishing = cells(PUBLISH_OUTCOMES, (outcome) => publishing.cell({ outcome }));
    this.histograms = this.consumerHistograms();
  }

  countPublished({ subject, durationMs, duplicate, error }: PublishedMessage): void {
    const outcome = error !== undefined ? 'failed' : duplicate ? 'duplicate' : 'stored';
    if (outcome === 'stored') this.published.add(subject);
    if (outcome === 'failed') this.publishErrors.add(codeOf(error));
    this.publishing[outcome].observe(durationMs / 1_000);
  }

  countDeadLettered({ stream, consumer, code }: DeadLettered): void {
    this.meterOf(stream, consumer).deadLetters.add(code);
  }

  /** What is counted of a consumer. */
  meterOf(stream: string, consumer: string): ConsumerMeter {
    const key = `${stream}/${consumer}`;
    const known = this.meters.get(key);
    if (known) return known;
    const isBeyond = this.meters.size >= MAX_CONSUMERS && consumer !== OTHER_LABEL;
    if (isBeyond) return this.meterOf(OTHER_LABEL, OTHER_LABEL);
    const place = { stream, consumer };
    const { handling, criticalTime, attempts } = this.histograms;
    const meter = {
      place,
      outcomes: new Map<string, OutcomeCounts>(),
      redeliveries: 0,
      deadLetters: new BoundedCounts(MAX_REASONS),
      handling: handling.cell(place),
      criticalTime: criticalTime.cell(place),
      attempts: attempts.cell(place),
    };
    this.meters.set(key, meter);
    return meter;
  }

  /** @param traceId of the trace the delivery was handled in, when it was recorded */
  countSettled(meter: ConsumerMeter, delivery: SettledDelivery, traceId?: string): void {
    const { pattern, outcome, deliveryCount, attempt } = delivery;
    let counts = meter.outcomes.get(pattern);
    if (counts === undefined) {
      counts = cells(OUTCOMES, () => 0);
      meter.outcomes.set(pattern, counts);
    }
    counts[outcome] += 1;
    if (deliveryCount > 1) meter.redeliveries += 1;
    if (outcome === 'released' || outcome === 'ignored') return;
    const seconds = delivery.durationMs / 1_000;
    this.processing[outcome].observe(seconds, traceId);
    meter.handling.observe(seconds, traceId);
    if (outcome === 'handled') meter.criticalTime.observe(Math.max(0, delivery.ageMs) / 1_000, traceId);
    if (outcome !== 'retried') meter.attempts.observe(attempt);
    if (outcome === 'retried' || outcome === 'dead-lettered') this.errors += 1;
  }

  private consumerHistograms() {
    const labels = ['stream', 'consumer'] as const;
    return {
      handling: this.histogram<Place>(
        'jetstream_handler_duration_seconds',
        'Time that the handlers of a consumer took for a message, or for the batch it was part of.',
        labels,
      ),
      criticalTime: this.histogram<Place>(
        'jetstream_critical_time_seconds',
        'Time from the storing of a message in its stream to its effect: waiting, failed attempts and the handler.',
        labels,
      ),
      attempts: this.histogram<Place>(
        'jetstream_attempts',
        'Attempts that a message took until it was handled, terminated or dead-lettered.',
        labels,
        ATTEMPT_BUCKETS,
      ),
    };
  }

  private histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    buckets: number[] = DURATION_BUCKETS_SECONDS,
  ): PlainHistogram<Label> {
    return new PlainHistogram<Label>({ name, help, labelNames, buckets, registers: [this.registry] });
  }

  private counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect: (counter: Counter<Label>) => void,
  ): void {
    new Counter<Label>({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        collect(this);
      },
    });
  }

  private registerPublishCounters(): void {
    this.counter(
      'nats_messages_published_total',
      'Messages that a stream acknowledged and had not stored before.',
      ['subject'],
      (counter) => this.published.drain((subject, count) => counter.inc({ subject }, count)),
    );
    this.counter('jetstream_publish_errors_total', 'Publishes that failed, by code.', ['code'], (counter) =>
      this.publishErrors.drain((code, count) => counter.inc({ code }, count)),
    );
    this.counter(
      'order_processing_errors_total',
      'Messages whose processing failed: retried or dead-lettered.',
      [],
      (counter) => {
        counter.inc(this.errors);
        this.errors = 0;
      },
    );
  }

  private registerConsumerCounters(): void {
    const { meters } = this;
    this.counter(
      'nats_messages_consumed_total',
      'Deliveries that were settled, by the declared subject pattern, consumer and outcome.',
      ['subject', 'stream', 'consumer', 'outcome'],
      (counter) => {
        for (const meter of meters.values()) {
          drainOutcomes(meter, (subject, outcome, count) =>
            counter.inc({ subject, ...meter.place, outcome }, count),
          );
        }
      },
    );
    this.counter(
      'jetstream_redeliveries_total',
      'Deliveries that were settled and were not the first of their message.',
      ['stream', 'consumer'],
      (counter) => {
        for (const meter of meters.values()) {
          counter.inc(meter.place, meter.redeliveries);
          meter.redeliveries = 0;
        }
      },
    );
    this.counter(
      'jetstream_dead_lettered_total',
      'Messages whose copy was stored as a dead letter, by the code of what went wrong.',
      ['stream', 'consumer', 'reason'],
      (counter) => {
        for (const { place, deadLetters } of meters.values()) {
          deadLetters.drain((reason, count) => counter.inc({ ...place, reason }, count));
        }
      },
    );
  }
}

let processMetrics: TransportMetrics | undefined;

/** The metrics of this process, in the registry that `/metrics` serves. */
export function transportMetrics(): TransportMetrics {
  processMetrics ??= new TransportMetrics(register);
  return processMetrics;
}

function drainOutcomes(
  { outcomes }: ConsumerMeter,
  take: (subject: string, outcome: SettlementOutcome, count: number) => void,
): void {
  for (const [subject, counts] of outcomes) {
    for (const outcome of OUTCOMES) {
      if (counts[outcome] > 0) {
        take(subject, outcome, counts[outcome]);
        counts[outcome] = 0;
      }
    }
  }
}

function cells<Name extends string, Cell>(
  names: readonly Name[],
  create: (name: Name) => Cell,
): Record<Name, Cell> {
  return Object.fromEntries(names.map((name) => [name, create(name)])) as Record<Name, Cell>;
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : 'UNKNOWN';
}
