import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { OutboxReconciler } from './outbox.reconciler.js';

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

it('rounds of the reconciler do not queue up behind one that takes long', async () => {
  const reconciler = new OutboxReconciler(
    {} as DataSource,
    { publishBatch: () => Promise.reject(new Error('nothing is published')) },
    { search: () => Promise.reject(new Error('nothing is searched')) },
  );
  const { promise, resolve: end } = Promise.withResolvers<void>();
  const rounds = jest.spyOn(reconciler, 'continue').mockReturnValue(promise);
  reconciler.onApplicationBootstrap();
  await jest.advanceTimersByTimeAsync(10 * 60_000);
  end();
  await reconciler.beforeApplicationShutdown();
  expect(rounds).toHaveBeenCalledTimes(1);
});
