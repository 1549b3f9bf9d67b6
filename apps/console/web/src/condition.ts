import type { ConsumerOverview, History, Overview, Series, StreamOverview } from '../../src/api.js';
import { byDurable, countDurables, sum, sumPartitions } from './partitions.js';

/** How a consumer does, worst first. */
export const CONDITIONS = ['stuck', 'paused', 'growing', 'retrying', 'moving', 'idle'] as const;
export type Condition = (typeof CONDITIONS)[number];

export const MEANINGS: Readonly<Record<Condition, string>> = {
  stuck:
    'nothing was delivered or settled for 30 s though messages wait, or for 6 min though some are unacked',
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

const STUCK_WAITING_S = 30;
/** Longer than the longest backoff a handler has unless it says otherwise. */
const STUCK_UNACKED_S = 360;
const GROWING_S = 60;
/** Samples further apart than so many intervals leave out what happened between them. */
const LARGEST_GAP = 3;
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
  if (history && isStuck(consumer, history)) return 'stuck';
  if (history && isGrowing(consumer, history)) return 'growing';
  if (consumer.redelivered > 0) return 'retrying';
  return consumer.lag + consumer.ackPending > 0 ? 'moving' : 'idle';
}

/** Either rate alone may be 0 for minutes: one message in backoff holds up `settled`, and a full batch `delivered`. */
function isStuck(consumer: ConsumerOverview, history: History): boolean {
  const { lag, ackPending } = consumer;
  if (lag + ackPending === 0) return false;
  const seconds = lag > 0 ? STUCK_WAITING_S : STUCK_UNACKED_S;
  const key = keyOf(consumer);
  const isStill = [history.settled, history.delivered].every(
    (rates) => lastOf(history, rates[key], seconds)?.every((rate) => rate === 0) ?? false,
  );
  const hasWaited = lag === 0 || isAboveZero(lastOf(history, history.lag[key], seconds));
  return isStill && hasWaited && !isDeliveredSince(consumer, (history.times.at(-1) ?? 0) - seconds);
}

/** What was delivered a moment ago is in no sample yet. */
function isDeliveredSince({ lastDeliveredAt }: ConsumerOverview, seconds: number): boolean {
  return lastDeliveredAt !== null && Date.parse(lastDeliveredAt) / 1_000 > seconds;
}

function isGrowing(consumer: ConsumerOverview, history: History): boolean {
  const key = keyOf(consumer);
  const lag = lastOf(history, history.lag[key], GROWING_S) ?? [];
  // Of the time of a pause it is not known: of course lag grew then.
  if (!isAboveZero(lag) || !lastOf(history, history.delivered[key], GROWING_S)) return false;
  const before = lag[0] ?? 0;
  const growth = consumer.lag - before;
  return growth > Math.max(LEAST_GROWTH, before * LEAST_GROWTH_SHARE);
}

/** Values of the last seconds; undefined unless they are known for all of that time. */
function lastOf(
  { times, intervalS }: History,
  series: Series | undefined,
  seconds: number,
): readonly number[] | undefined {
  const start = times.findLastIndex((time) => time <= (times.at(-1) ?? 0) - seconds);
  if (!series || start < 0) return undefined;
  const isWhole = times.slice(start + 1).every((time, index) => {
    return time - (times[start + index] ?? 0) <= LARGEST_GAP * intervalS;
  });
  const values = series.slice(start + 1);
  return isWhole && values.every((value) => value !== null) ? values : undefined;
}

function isAboveZero(values: readonly number[] = []): boolean {
  return values.length > 0 && values.every((value) => value > 0);
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
  /** Durables, of however many partitions. */
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
  const durables = byDurable(own).map(sumPartitions);
  const paused = own.filter(({ stream, pausedUntil }) => isEventStream(stream) && pausedUntil !== null);
  const stuck = rows.filter(({ condition }) => condition === 'stuck');
  return {
    publishedPerS: rates.length === 0 ? null : sum(rates),
    lag: sum(durables.map(({ lag }) => lag)),
    unacked: sum(durables.map(({ unacked }) => unacked)),
    redelivered: sum(durables.map(({ redelivered }) => redelivered)),
    deadLetters: sum(streams.filter(isOfDeadLetters).map(({ messages }) => messages)),
    paused: countDurables(paused),
    stuck: countDurables(stuck.map(({ consumer }) => consumer)),
  };
}

function isOfDeadLetters({ name }: StreamOverview): boolean {
  return isDeadLetterStream(name);
}
