import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { OutboxMetrics } from './outbox-metrics.js';

describe('metrics of the outbox', () => {
  it('count what happened and show what waits at the moment of the scrape', async () => {
    const registry = new Registry();
    const metrics = new OutboxMetrics(registry);
    let pending = 1;
    metrics.watch(() => ({ pending, oldestAgeSeconds: 2.5, setAside: 3 }));
    metrics.published(4, [20, 40, -5, 90_000]);
    metrics.failed(5);
    metrics.missing(6);
    pending = 7;
    const text = await registry.metrics();
    for (const line of [
      'outbox_published_total 4',
      'outbox_delay_seconds_bucket{le="0.025"} 2',
      'outbox_delay_seconds_sum 90.06',
      'outbox_delay_seconds_count 4',
      'outbox_failed_total 5',
      'outbox_missing_total 6',
      'outbox_pending 7',
      'outbox_oldest_age_seconds 2.5',
      'outbox_set_aside 3',
    ]) {
      expect(text).toContain(`\n${line}\n`);
    }
  });
});
