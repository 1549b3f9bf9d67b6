/** As many newer messages of its stream, twice at most, let one be forgotten. */
const REMEMBERED = 10_000;

/** Sequence to when the server's answer came, in epoch milliseconds. */
type Answers = Map<number, number>;

/** What this process published, of streams that somebody wants to have remembered: the newest 10,000 messages at least. */
export class OwnMessages {
  private readonly streams = new Map<string, { young: Answers; old: Answers }>();

  /** From now on. */
  remember(stream: string): void {
    if (!this.streams.has(stream)) this.streams.set(stream, { young: new Map(), old: new Map() });
  }

  add(stream: string, first: number, last: number): void {
    const known = this.streams.get(stream);
    if (!known) return;
    const now = Date.now();
    for (let sequence = first; sequence <= last; sequence++) known.young.set(sequence, now);
    if (known.young.size < REMEMBERED) return;
    known.old = known.young;
    known.young = new Map();
  }

  /**
   * False when in doubt. A stream that was deleted counts from one again: what it stored after the answer came is another
   * message with the same sequence.
   * @param storedAt by the clock of the server, in epoch milliseconds
   */
  has(stream: string, sequence: number, storedAt: number): boolean {
    const known = this.streams.get(stream);
    const answeredAt = known?.young.get(sequence) ?? known?.old.get(sequence);
    return answeredAt !== undefined && Math.trunc(storedAt) <= answeredAt;
  }

  /** Whatever happened to the streams meanwhile. */
  forget(): void {
    for (const known of this.streams.values()) {
      known.young.clear();
      known.old.clear();
    }
  }
}
