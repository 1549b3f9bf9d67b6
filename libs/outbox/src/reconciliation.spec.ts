import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { EventPage } from './published-rows.js';
import { Reconciliation } from './reconciliation.js';

const MINUTE_MS = 60_000;
const PAGE_MS = 100;
const PAGES = 3;

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

/** Milliseconds after its start at which each page was compared, of events that are `ageMs` old. */
async function startsOfPages(ageMs: number): Promise<number[]> {
  const [from, now] = [performance.now(), Date.now()];
  const starts: number[] = [];
  const next = { createdAt: new Date(now - ageMs).toISOString(), id: 1 };
  const page = (): Promise<EventPage> => {
    starts.push(performance.now() - from);
    return Promise.resolve({ events: [], ...(starts.length < PAGES && { next }) });
  };
  const compare = () => new Promise<[]>((resolve) => setTimeout(() => resolve([]), PAGE_MS));
  const rows = { page, oldestPending: () => Promise.resolve(undefined) };
  const round = new Reconciliation(rows, compare).continue(now);
  await jest.advanceTimersByTimeAsync(MINUTE_MS);
  await round;
  return starts.slice(0, PAGES);
}

it('a page is followed by a rest of three times as long', async () => {
  expect(await startsOfPages(10 * MINUTE_MS)).toEqual([0, 400, 800]);
});

it('no rest is taken by whoever has fallen behind', async () => {
  expect(await startsOfPages(60 * MINUTE_MS)).toEqual([0, 100, 200]);
});
