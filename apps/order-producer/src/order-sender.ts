import { setTimeout as delay } from 'node:timers/promises';
import type { OrderAnswer, OrderClient } from './order-client.js';
import type { Order } from './random-order.js';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
/** Longest time that one order is tried for, in milliseconds. */
const GIVE_UP_MS = 60_000;

const TOO_MANY_REQUESTS = 429;

/**
 * Sends an order until it is accepted, refused or a minute has passed. Every attempt carries the same key, so an
 * order whose answer was lost is not placed twice.
 */
export class OrderSender {
  private readonly stopping = new AbortController();

  constructor(private readonly client: Pick<OrderClient, 'place'>) {}

  /** Resolves with whether the order was accepted. */
  async send(key: string, order: Order): Promise<boolean> {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.client.place(key, order).catch(() => undefined);
      if (answer !== undefined && !isRetryable(answer.status)) {
        return answer.status < 300;
      }
      const pause = backoff(attempt, answer);
      if (performance.now() + pause > giveUpAt || !(await this.pause(pause))) {
        return false;
      }
    }
  }

  /** Ends pauses between attempts: what is not accepted by the request in flight is given up. */
  stop(): void {
    this.stopping.abort();
  }

  private async pause(milliseconds: number): Promise<boolean> {
    return delay(milliseconds, true, { signal: this.stopping.signal }).catch(() => false);
  }
}

function isRetryable(status: number): boolean {
  return status === TOO_MANY_REQUESTS || status >= 500;
}

/** Full jitter: after an outage, clients that all failed at once do not all come back at once. */
function backoff(attempt: number, answer: OrderAnswer | undefined): number {
  const jittered = Math.random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
  return Math.max(jittered, Math.min(answer?.retryAfterMs ?? 0, MAX_BACKOFF_MS));
}
