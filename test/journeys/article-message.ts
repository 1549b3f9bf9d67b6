import { randomUUID } from 'node:crypto';

/** A message exactly as the article's Go producer sends it. */
export function articleMessage(overrides: object = {}) {
  return {
    message_id: randomUUID(),
    order_id: randomUUID(),
    customer_id: 'cust-123',
    total_amount: 99.95,
    created_at: Date.now(),
    ...overrides,
  };
}
