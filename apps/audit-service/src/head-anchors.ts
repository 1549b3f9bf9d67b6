import type { AnchoredHead, ChainHead } from './chain-heads.js';

/** All signed heads of one log, each of which the log must still agree with. */
export class HeadAnchors {
  /** The first one that was told. */
  oldest: ChainHead | undefined;
  /** The head that counts the most segments. */
  newest: ChainHead | undefined;
  /** Heads that were signed with another key, or with none. */
  forged = 0;
  private readonly bySegments = new Map<number, ChainHead[]>();

  /** The oldest first, nearly: two processes may publish theirs in another one than they committed. */
  add({ head, isGenuine }: AnchoredHead): void {
    if (!isGenuine) {
      this.forged++;
      return;
    }
    this.oldest ??= head;
    const same = this.bySegments.get(head.segments) ?? [];
    // Signed anew by a start: it says nothing new.
    if (!same.some(({ chain }) => chain === head.chain)) this.bySegments.set(head.segments, [...same, head]);
    if (!this.newest || head.segments >= this.newest.segments) this.newest = head;
  }

  /** What was signed when the log had so many segments. */
  of(segments: number): readonly ChainHead[] {
    return this.bySegments.get(segments) ?? [];
  }
}
