import { v7 as uuidv7 } from 'uuid';

const NUMBER_DIGITS = 10;
const NUMBER = new RegExp(`/(\\d{${NUMBER_DIGITS},})-[^/]*$`);

/** A name that was never used: what a crash leaves behind keeps its own. Names of a stream sort by the numbers of segments. */
export function segmentName(stream: string, number: number): string {
  return `${namesFrom(stream, number)}-${uuidv7()}.ndjson`;
}

/** What the names of a stream's segment begin with; those of later segments sort behind it. */
export function namesFrom(stream: string, number: number): string {
  return `${stream}/${String(number).padStart(NUMBER_DIGITS, '0')}`;
}

/** Number of the segment that is, or was to be, at this place; NaN for any other object. */
export function numberOf(location: string): number {
  return Number(NUMBER.exec(location)?.[1] ?? NaN);
}

/** Keeps segments as immutable objects. */
export abstract class SegmentStore {
  /**
   * Stores an object that was never stored before.
   * @returns where it is, for `read`
   * @throws when the store does not confirm it, or holds an object of this name
   */
  abstract write(name: string, content: Buffer): Promise<string>;

  /** @returns undefined when the object is missing, incomplete or unreadable */
  abstract read(location: string): Promise<Buffer | undefined>;

  /** Where objects of a stream's segments from `number` on are, among those that were stored since then at least. */
  abstract list(stream: string, number: number, since: Date): Promise<string[]>;
}
