import { describe, expect, it } from '@jest/globals';
import { adapterQuery, desiredReplicas, readAdapterRules, readAutoscalers } from './autoscaling.ts';

describe('autoscalers', () => {
  const [payment, , order] = readAutoscalers();

  it.each([
    ['nothing waits', 0, 2, 2],
    ['a little waits', 150, 2, 2],
    ['hardly more waits than two can take', 215, 2, 2],
    ['more waits than two can take', 221, 2, 3],
    ['much waits', 350, 2, 4],
    ['a backlog was worked off', 30, 6, 2],
    ['very much waits', 54_321, 10, 10],
  ])('when %s want as many as it takes, from 2 to 10', (_, waiting, current, expected) => {
    if (!payment) throw new Error('there is no autoscaler');
    expect(desiredReplicas(payment, [[waiting]], current)).toBe(expected);
  });

  it('of a service with two consumers want what the longer queue takes', () => {
    if (!order) throw new Error('there is no autoscaler');
    expect(order.target).toBe('order-service');
    expect(desiredReplicas(order, [[120], [730]], 2)).toBe(8);
  });

  it('ask for metrics that the adapter has a rule for', () => {
    const rules = readAdapterRules();
    const metrics = readAutoscalers().flatMap(({ metrics: wanted }) => wanted);
    expect(metrics).toHaveLength(4);
    for (const { name } of metrics) expect(rules.map(({ metric }) => metric)).toContain(name);
    const [rule] = rules;
    const [metric] = metrics;
    if (!rule || !metric) throw new Error('there is nothing to ask');
    expect(adapterQuery(rule, metric)).toBe(
      'max by (stream, consumer) (nats_consumer_pending_messages{stream="ORDERS",consumer="payment-orders"})',
    );
  });
});
