import type { ConsumerOverview, History, Overview, Series, StreamOverview } from '../../src/api.js';

/** How a consumer does, worst first. */
export const CONDITIONS = ['stuck', 'paused', 'growing', 'retrying', 'moving', 'idle'] as const;
export type Condition = (typeof CONDITIONS)[number];

export const MEANINGS: Readonly<Record<Condition, string>> = {
  stuck: 'messages wait and none was settled for half a minute',
  paused: 'the server delivers nothing until the pause ends',
  growing: 'lag grew over the last minute',
  retrying: 'some messages are being tried again',
  moving: 'works on messages',
  idle: 'has nothing to do',
};

export interface ConsumerRow {
  readonly consumer: ConsumerOverview;
  readonly condition: Condition;
  readonly lag: Series;
}

const STUCK_S = 30;
const GROWING_S = 60;
/** Lag of a busy consumer goes up and down by a little. */
const LEAST_GROWTH = 20;
const LEAST_GROWTH_SHARE = 0.02;

const DEAD_LETTERS = /_DLQ$/;
const OWN_STREAMS = ['ADVISORIES', 'OPERATIONS'];

/** Of NATS's own key-value and object stores. */
export function isInternal(stream: string): boolean {
  return /^(KV|OBJ)_/.test(stream);
}

/** Takes redrives or notices of the server for another consumer; of interest while it has something to do. */
export function isIdleHelper({ stream, lag, ackPending }: ConsumerOverview): boolean {
  return OWN_STREAMS.includes(stream) && lag + ackPending === 0;
}

export function isDeadLetterStream(stream: string): boolean {
  return DEAD_LETTERS.test(stream);
}

export function isEventStream(stream: string): boolean {
  return !isInternal(stream) && !isDeadLetterStream(stream) && !OWN_STREAMS.includes(stream);
}

/** A durable that keeps an order has the consumers `<durable>-p0`, `<durable>-p1` and so on. */
export function isPartitionOf(consumer: string, durable: string): boolean {
  return consumer.startsWith(`${durable}-p`) && /^\d+$/.test(consumer.slice(durable.length + 2));
}

export function keyOf({ stream, name }: Pick<ConsumerOverview, 'stream' | 'name'>): string {
  return `${stream}/${name}`;
}

export function toRows(consumers: readonly ConsumerOverview[], history: History | undefined): ConsumerRow[] {
  return consumers
    .map((consumer) => ({
      consumer,
      condition: conditionOf(consumer, history),
      lag: history?.lag[keyOf(consumer)] ?? [],
    }))
    .toSorted(compareRows);
}

function conditionOf(consumer: ConsumerOverview, history: History | undefined): Condition {
  if (consumer.pausedUntil !== null) return 'paused';
  const key = keyOf(consumer);
  const last = (series: Series | undefined, seconds: number) =>
    history && series ? series.slice(-Math.ceil(seconds / history.intervalS)) : [];
  if (consumer.lag > 0 && history) {
    const settled = last(history.settled[key], STUCK_S);
    const isSettlingNothing =
      settled.length * history.intervalS >= STUCK_S && settled.every((rate) => rate === 0);
    if (isSettlingNothing && isAboveZero(last(history.lag[key], STUCK_S))) return 'stuck';
    if (isGrowing(last(history.lag[key], GROWING_S))) return 'growing';
  }
  if (consumer.redelivered > 0) return 'retrying';
  return consumer.lag + consumer.ackPending > 0 ? 'moving' : 'idle';
}

function isAboveZero(series: Series): boolean {
  return series.length > 0 && series.every((value) => value !== null && value > 0);
}

function isGrowing(lag: Series): boolean {
  const before = lag[0] ?? 0;
  const growth = (lag.at(-1) ?? 0) - before;
  return isAboveZero(lag) && growth > Math.max(LEAST_GROWTH, before * LEAST_GROWTH_SHARE);
}

function compareRows(a: ConsumerRow, b: ConsumerRow): number {
  return (
    CONDITIONS.indexOf(a.condition) - CONDITIONS.indexOf(b.condition) ||
    magnitude(b.consumer.lag) - magnitude(a.consumer.lag) ||
    keyOf(a.consumer).localeCompare(keyOf(b.consumer))
  );
}

/** Rows that differ by a little must not change places every two seconds. */
function magnitude(lag: number): number {
  return lag < 10 ? 0 : Math.floor(Math.log10(lag));
}

export interface Totals {
  readonly publishedPerS: number | null;
  readonly lag: number;
  readonly unacked: number;
  readonly redelivered: number;
  readonly deadLetters: number;
  readonly paused: number;
  readonly stuck: number;
}

export function sumUp(
  { streams, consumers }: Overview,
  rows: readonly ConsumerRow[],
  history?: History,
): Totals {
  const own = consumers.filter(({ stream }) => !isInternal(stream));
  const rates = Object.entries(history?.published ?? {})
    .filter(([stream]) => isEventStream(stream))
    .flatMap(([, series]) => series.at(-1) ?? []);
  return {
    publishedPerS: rates.length === 0 ? null : sum(rates),
    lag: sum(own.map(({ lag }) => lag)),
    unacked: sum(own.map(({ ackPending }) => ackPending)),
    redelivered: sum(own.map(({ redelivered }) => redelivered)),
    deadLetters: sum(streams.filter(isOfDeadLetters).map(({ messages }) => messages)),
    paused: own.filter(({ stream, pausedUntil }) => isEventStream(stream) && pausedUntil !== null).length,
    stuck: rows.filter(({ condition }) => condition === 'stuck').length,
  };
}

function isOfDeadLetters({ name }: StreamOverview): boolean {
  return isDeadLetterStream(name);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
