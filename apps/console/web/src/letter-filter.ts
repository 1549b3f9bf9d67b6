import type { DeadLetterGroup, DeadLetterQuery } from '../../src/api.js';

/** Shown for an empty value: no letter of it tells what it is. */
export const UNTOLD = 'unknown';

export const FILTER_FIELDS = [
  { field: 'stream', label: 'Stream' },
  { field: 'consumer', label: 'Consumer' },
  { field: 'errorClass', label: 'Error class' },
  { field: 'errorCode', label: 'Error code' },
] as const;

/** Everything of a group that a filter can say; empty is what it does not tell. */
export function toFilter({ stream, consumer, errorClass, errorCode }: DeadLetterGroup): DeadLetterQuery {
  return { stream, consumer, errorClass, errorCode };
}

/** Null is any. */
export function withChoice(
  filter: DeadLetterQuery,
  field: keyof DeadLetterQuery,
  value: string | null,
): DeadLetterQuery {
  const { [field]: _, ...others } = filter;
  return value === null ? others : { ...others, [field]: value };
}

export function isMatch(group: DeadLetterGroup, filter: DeadLetterQuery): boolean {
  return FILTER_FIELDS.every(({ field }) => filter[field] === undefined || filter[field] === group[field]);
}

export function countMatches(groups: readonly DeadLetterGroup[], filter: DeadLetterQuery): number {
  return groups.reduce((total, group) => total + (isMatch(group, filter) ? group.count : 0), 0);
}

/** Such as `stream ORDERS, error code PAYMENT_DECLINED`. */
export function describeFilter(filter: DeadLetterQuery): string {
  const parts = FILTER_FIELDS.flatMap(({ field, label }) => {
    const value = filter[field];
    return value === undefined ? [] : [`${label.toLowerCase()} ${value || UNTOLD}`];
  });
  return parts.length === 0 ? 'no filter: all streams and consumers' : parts.join(', ');
}
