import { Counter, Gauge, register, type Registry } from 'prom-client';
import { DURATION_BUCKETS_SECONDS, PlainHistogram, type HistogramCell } from './plain-histogram.js';

/** How far behind an outbox is. */
interface OutboxState {
  readonly pending: number;
  readonly oldestAgeSeconds: number;
  readonly setAside: number;
}

/** Metrics of the outbox. Give it to the outbox as its observer. */
export class OutboxMetrics {
  private readonly publishedTotal: Counter;
  private readonly failedTotal: Counter;
  private readonly missingTotal: Counter;
  private readonly delay: HistogramCell<never>;
  private source: (() => OutboxState) | undefined;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = (name: string, help: string) => new Counter({ name, help, registers });
    this.publishedTotal = counter('outbox_published_total', 'Events that a stream confirmed.');
    this.failedTotal = counter('outbox_failed_total', 'Attempts to publish an event that were refused.');
    this.missingTotal = counter(
      'outbox_missing_total',
      'Events that were confirmed and are not in their stream.',
    );
    const delay = new PlainHistogram({
      name: 'outbox_delay_seconds',
      help: 'Time from the append of an event to the word of the stream that it is stored.',
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    });
    this.delay = delay.cell({});
    const gauge = (name: string, help: string, read: (state: OutboxState) => number) => {
      const current = () => this.source?.();
      new Gauge({
        name,
        help,
        registers,
        collect() {
          const state = current();
          if (state) this.set(read(state));
        },
      });
    };
    gauge('outbox_pending', 'Events that wait to be published.', (state) => state.pending);
    gauge('outbox_oldest_age_seconds', 'Age of the oldest of them.', (state) => state.oldestAgeSeconds);
    gauge('outbox_set_aside', 'Events that can never be published.', (state) => state.setAside);
  }

  published(count: number, delaysMs: readonly number[]): void {
    this.publishedTotal.inc(count);
    // The clock of the database may be ahead.
    for (const delayMs of delaysMs) this.delay.observe(Math.max(0, delayMs) / 1_000);
  }

  failed(count: number): void {
    this.failedTotal.inc(count);
  }

  missing(count: number): void {
    this.missingTotal.inc(count);
  }

  /** Names where the gauges come from; it is asked when `/metrics` is scraped and must answer from memory. */
  watch(source: () => OutboxState): void {
    this.source = source;
  }
}

let processMetrics: OutboxMetrics | undefined;

/** The metrics of this process, in the registry that `/metrics` serves. */
export function outboxMetrics(): OutboxMetrics {
  processMetrics ??= new OutboxMetrics(register);
  return processMetrics;
}
