import type { DeadLetterGroup, DeadLetterQuery } from '../../src/api.js';

export const FILTER_FIELDS = [
  { field: 'stream', label: 'Stream' },
  { field: 'consumer', label: 'Consumer' },
  { field: 'errorClass', label: 'Error class' },
  { field: 'errorCode', label: 'Error code' },
] as const;

/** Everything of a group that a filter can say; what is not known cannot be asked for. */
export function toFilter({ stream, consumer, errorClass, errorCode }: DeadLetterQuery): DeadLetterQuery {
  const given = Object.entries({ stream, consumer, errorClass, errorCode }).filter(([, value]) => value);
  return Object.fromEntries(given) as DeadLetterQuery;
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
    return value === undefined ? [] : [`${label.toLowerCase()} ${value}`];
  });
  return parts.length === 0 ? 'no filter: all streams and consumers' : parts.join(', ');
}
