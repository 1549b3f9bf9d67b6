import type { MessageIdentity } from '../inbox.js';

/** How long a consumer that met a duplicate reckons with more of them. */
const WARY_MS = 60_000;

/** Says which claims have to reckon with duplicates ([ADR-0018](../../../../docs/adr/0018-claims-expect-new-messages.md)). */
export class DuplicateForecast {
  /** By consumer, on the clock of `performance`. */
  private readonly waryUntil = new Map<string, number>();

  expects(messages: readonly MessageIdentity[]): boolean {
    const until = this.waryUntil.get(messages[0]?.consumer ?? '') ?? -Infinity;
    return performance.now() < until || messages.some(wasSentBefore);
  }

  /** Where one duplicate was, more may follow: whoever publishes twice does so again. */
  met(consumer: string): void {
    this.waryUntil.set(consumer, performance.now() + WARY_MS);
  }
}

function wasSentBefore({ isRedelivered, isRedrive }: MessageIdentity): boolean {
  return isRedelivered === true || isRedrive === true;
}
