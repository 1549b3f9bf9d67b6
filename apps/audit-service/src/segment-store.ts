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
}
