/**
 * Runs suspected messages one at a time in a process. If the process dies, the one that ran is the one to blame and
 * not a message that happened to be beside it.
 */
export class Quarantine {
  private last: Promise<void> = Promise.resolve();

  run(work: () => Promise<void>): Promise<void> {
    this.last = this.last.then(work, work);
    return this.last;
  }
}
