import type { LifeOrder } from './order-life.js';

const TIMEOUT_MS = 5_000;

/** Asks order-service for an order. One that does not answer is no error: the streams tell most of it. */
export async function findOrder(
  baseUrl: string,
  orderId: string,
): Promise<{ readonly order: LifeOrder | null; readonly note?: string }> {
  const url = `${baseUrl.replace(/\/$/, '')}/orders/${encodeURIComponent(orderId)}`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) return { order: toOrder((await response.json()) as LifeOrder) };
    await response.body?.cancel();
    if (response.status === 404) return { order: null };
    return { order: null, note: `order-service answered ${response.status}; what it knows is missing here.` };
  } catch {
    return {
      order: null,
      note: `order-service does not answer at ${baseUrl}; what it knows is missing here.`,
    };
  }
}

function toOrder({ orderId, status, reason, createdAt, history }: LifeOrder): LifeOrder {
  return { orderId, status, reason, createdAt, history };
}
