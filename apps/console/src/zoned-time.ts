import { ValidateBy } from 'class-validator';

/** Without a zone the same request would mean another time on another machine. */
const ZONED_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

export const IsZonedTime = () =>
  ValidateBy({
    name: 'isZonedTime',
    validator: {
      validate: (value) => typeof value === 'string' && parsePosition(value) instanceof Date,
      defaultMessage: () => '$property must be a time with its zone, such as 2026-11-23T12:00:00Z',
    },
  });

/** A sequence as it is, a time as one; undefined for what is neither. */
export function parsePosition(given: number | string): number | Date | undefined {
  if (typeof given === 'number') return Number.isSafeInteger(given) && given >= 0 ? given : undefined;
  const time = ZONED_TIME.test(given) ? new Date(given) : undefined;
  return time && !Number.isNaN(time.getTime()) ? time : undefined;
}
