import { expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { EventPattern, plansOf } from '@slipstream/jetstream';
import { dataSourceOptions } from '@slipstream/postgres';

@Controller()
class Storing {
  @EventPattern('orders.created.*', { durable: 'storing' })
  on(): void {
    // Only its options matter here.
  }
}

it('a database that answers nothing is given up before the handlers that wait for it, whose attempts would count', () => {
  const streams = [{ name: 'ORDERS', subjects: ['orders.*.*'], deadLetterSubject: 'orders.dlq' }];
  const [plan] = plansOf({ name: 'service', controllers: [Storing] }, streams);
  const { extra } = dataSourceOptions({ url: 'postgres://localhost/any', schema: 'any', migrations: [] });
  const { query_timeout: queryTimeoutMs } = extra as { query_timeout: number };
  // A handler does something else before it asks the database.
  expect(plan?.options.timeoutMs).toBeGreaterThanOrEqual(queryTimeoutMs + 2_000);
});
