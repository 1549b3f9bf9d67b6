import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Inventory, type ConsumerOverview, type StreamOverview } from '@slipstream/operations';
import type { History, Series } from './api.js';

const INTERVAL_S = 5;
const KEPT_S = 15 * 60;
const MOST_SAMPLES = KEPT_S / INTERVAL_S;
const DEAD_LETTERS = /_DLQ$/;
/** Of NATS's own stores: not events. */
const STORES = /^(KV|OBJ)_/;

interface Sample {
  readonly at: number;
  readonly streams: ReadonlyMap<string, StreamOverview>;
  readonly consumers: ReadonlyMap<string, ConsumerOverview>;
}

/** Looks at streams and consumers all the time, so that who comes late sees how it came about. */
@Injectable()
export class Samples implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(Samples.name);
  private samples: readonly Sample[] = [];
  private timer: NodeJS.Timeout | undefined;
  private isFailing = false;

  constructor(private readonly inventory: Inventory) {}

  onModuleInit(): void {
    void this.goOn();
  }

  onModuleDestroy(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  history(): History {
    const names = <T>(of: (sample: Sample) => ReadonlyMap<string, T>) => [
      ...new Set(this.samples.flatMap((sample) => [...of(sample).keys()])),
    ];
    const series = (keys: readonly string[], valueOf: (sample: Sample, key: string) => number | undefined) =>
      Object.fromEntries(
        keys.map((key) => [key, this.samples.map((sample) => valueOf(sample, key) ?? null)]),
      );
    const rates = (keys: readonly string[], countOf: (sample: Sample, key: string) => number | undefined) =>
      Object.fromEntries(keys.map((key) => [key, this.rate((sample) => countOf(sample, key))]));
    const streams = names(({ streams: known }) => known).filter((name) => !STORES.test(name));
    const consumers = names(({ consumers: known }) => known);
    const deadLetters = series(
      streams.filter((name) => DEAD_LETTERS.test(name)),
      (sample, name) => sample.streams.get(name)?.messages,
    );
    return {
      intervalS: INTERVAL_S,
      times: this.samples.map(({ at }) => at),
      published: rates(
        streams.filter((name) => !DEAD_LETTERS.test(name)),
        (sample, name) => sample.streams.get(name)?.lastSequence,
      ),
      lag: series(consumers, (sample, key) => sample.consumers.get(key)?.lag),
      settled: rates(consumers, (sample, key) => sample.consumers.get(key)?.settled),
      deadLetters: Object.fromEntries(
        Object.entries(deadLetters).map(([name, found]) => [name.replace(DEAD_LETTERS, ''), found]),
      ),
    };
  }

  /** Per second; null where a count is missing, or lower than before, as in a stream that was created anew. */
  private rate(countOf: (sample: Sample) => number | undefined): Series {
    return this.samples.map((sample, index) => {
      const former = this.samples[index - 1];
      const [before, now] = [former && countOf(former), countOf(sample)];
      if (!former || before === undefined || now === undefined || now < before) return null;
      return (now - before) / (sample.at - former.at);
    });
  }

  private async goOn(): Promise<void> {
    this.timer = setTimeout(() => void this.goOn(), INTERVAL_S * 1_000);
    try {
      const sample = await this.take();
      this.samples = [...this.samples, sample].slice(-MOST_SAMPLES);
      this.isFailing = false;
    } catch (error) {
      // Once, not every few seconds for as long as NATS is away.
      if (!this.isFailing) this.logger.warn({ err: error }, 'NATS did not tell of its streams');
      this.isFailing = true;
    }
  }

  private async take(): Promise<Sample> {
    const at = Date.now() / 1_000;
    const { streams, consumers } = await this.inventory.survey();
    return {
      at,
      streams: new Map(streams.map((stream) => [stream.name, stream])),
      consumers: new Map(consumers.map((consumer) => [`${consumer.stream}/${consumer.name}`, consumer])),
    };
  }
}
