import type { AnchoredHead, ChainHead } from './chain-heads.js';

/** All signed heads of one log, each of which the log must still agree with. */
export class HeadAnchors {
  /** The head that counts the most segments. */
  newest: ChainHead | undefined;
  /** Heads that were signed with another key, or with none. */
  forged = 0;
  /** A head signed after one that counts more: what lay between was cut off when it was signed. */
  outOfOrder: ChainHead | undefined;
  private readonly bySegments = new Map<number, ChainHead[]>();

  /** Heads come in the order they were published. */
  add({ head, isGenuine }: AnchoredHead): void {
    if (!isGenuine) {
      this.forged++;
      return;
    }
    const same = this.bySegments.get(head.segments) ?? [];
    // Signed anew by a start: it says nothing new.
    if (!same.some(({ chain }) => chain === head.chain)) this.bySegments.set(head.segments, [...same, head]);
    if (this.newest && head.segments < this.newest.segments) this.outOfOrder ??= this.newest;
    else this.newest = head;
  }

  /** What was signed when the log had so many segments. */
  of(segments: number): readonly ChainHead[] {
    return this.bySegments.get(segments) ?? [];
  }
}
