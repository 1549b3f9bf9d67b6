import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { OutboxMetrics } from './outbox-metrics.js';

describe('metrics of the outbox', () => {
  it('count what happened and show what waits at the moment of the scrape', async () => {
    const registry = new Registry();
    const metrics = new OutboxMetrics(registry);
    let pending = 1;
    metrics.watch(() => ({ pending, oldestAgeSeconds: 2.5, setAside: 3 }));
    metrics.published(4);
    metrics.failed(5);
    metrics.missing(6);
    pending = 7;
    const text = await registry.metrics();
    for (const line of [
      'outbox_published_total 4',
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
