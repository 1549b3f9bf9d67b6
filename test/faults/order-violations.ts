import type { Order } from '../journeys/journey.ts';

const CONFIRMED_HISTORY = ['inventory.reserved', 'orders.confirmed', 'orders.created', 'payments.completed'];

/** What is wrong with an order that nothing should have kept from being confirmed, in words. */
export function findOrderViolations({ orderId, status, reason, history }: Order): string[] {
  const events = history.map(({ event }) => event).toSorted();
  if (status !== 'confirmed') return [`order ${orderId} is ${status}: ${reason}`];
  return events.join() === CONFIRMED_HISTORY.join()
    ? []
    : [`order ${orderId} went through ${events.join(', ')}`];
}

/** Fields that are not as they should be, in words. */
export function differences<T extends object>(
  what: string,
  wanted: T,
  actual: { readonly [Key in keyof T]: unknown },
): string[] {
  return (Object.keys(wanted) as (keyof T & string)[])
    .filter((key) => wanted[key] !== actual[key])
    .map((key) => `${what}: ${key} is ${String(actual[key])} instead of ${String(wanted[key])}`);
}

export function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}
