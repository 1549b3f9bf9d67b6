import type { ConsumerOverview, StreamOverview } from '@slipstream/operations';
import type { History, Series } from './api.js';

const DEAD_LETTERS = /_DLQ$/;
/** Of NATS's own stores: not events. */
const STORES = /^(KV|OBJ)_/;

/** Streams and consumers as they were at one time. */
export interface Sample {
  /** Epoch seconds. */
  readonly at: number;
  readonly streams: readonly StreamOverview[];
  readonly consumers: readonly ConsumerOverview[];
}

interface IndexedSample {
  readonly at: number;
  readonly streams: ReadonlyMap<string, StreamOverview>;
  readonly consumers: ReadonlyMap<string, ConsumerOverview>;
}

type Value = (sample: IndexedSample) => number | undefined;

/** The last samples, and what their numbers tell together. */
export class SampleHistory {
  private samples: readonly IndexedSample[] = [];

  constructor(
    private readonly intervalS: number,
    private readonly mostSamples: number,
  ) {}

  /** One that is not after the last, because the clock was put back, is left out. */
  add({ at, streams, consumers }: Sample): void {
    if (at <= (this.samples.at(-1)?.at ?? 0)) return;
    const sample = {
      at,
      streams: new Map(streams.map((stream) => [stream.name, stream])),
      consumers: new Map(consumers.map((consumer) => [`${consumer.stream}/${consumer.name}`, consumer])),
    };
    this.samples = [...this.samples, sample].slice(-this.mostSamples);
  }

  read(): History {
    const streams = this.namesOf(({ streams: known }) => known).filter((name) => !STORES.test(name));
    const consumers = this.namesOf(({ consumers: known }) => known);
    return {
      intervalS: this.intervalS,
      times: this.samples.map(({ at }) => at),
      published: this.each(
        streams.filter((name) => !DEAD_LETTERS.test(name)),
        (name) => this.rate((sample) => sample.streams.get(name)?.lastSequence),
      ),
      lag: this.each(consumers, (key) => this.series((sample) => sample.consumers.get(key)?.lag)),
      settled: this.each(consumers, (key) => this.rate((sample) => running(sample, key)?.settled)),
      delivered: this.each(consumers, (key) => this.rate((sample) => running(sample, key)?.deliveries)),
      deadLetters: Object.fromEntries(
        streams
          .filter((name) => DEAD_LETTERS.test(name))
          .map((name) => [
            name.replace(DEAD_LETTERS, ''),
            this.series((sample) => sample.streams.get(name)?.messages),
          ]),
      ),
    };
  }

  private namesOf(known: (sample: IndexedSample) => ReadonlyMap<string, unknown>): string[] {
    return [...new Set(this.samples.flatMap((sample) => [...known(sample).keys()]))];
  }

  private each(names: readonly string[], seriesOf: (name: string) => Series): Record<string, Series> {
    return Object.fromEntries(names.map((name) => [name, seriesOf(name)]));
  }

  private series(valueOf: Value): Series {
    return this.samples.map((sample) => valueOf(sample) ?? null);
  }

  /** Per second; null where a count is missing, or lower than before, as in a stream that was created anew. */
  private rate(countOf: Value): Series {
    return this.samples.map((sample, index) => {
      const former = this.samples[index - 1];
      const [before, now] = [former && countOf(former), countOf(sample)];
      if (!former || before === undefined || now === undefined || now < before) return null;
      return (now - before) / (sample.at - former.at);
    });
  }
}

/** One that is paused is meant to do nothing: its rates say nothing of it. */
function running({ consumers }: IndexedSample, key: string): ConsumerOverview | undefined {
  const consumer = consumers.get(key);
  return consumer?.pausedUntil === null ? consumer : undefined;
}
