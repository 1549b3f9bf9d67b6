import { randomBytes } from 'node:crypto';

/** A name no other test uses: letters and digits, fit for streams, subjects, durables and databases. */
export function uniqueName(prefix: string): string {
  return `${prefix}${randomBytes(6).toString('hex')}`;
}
