import { describe, expect, it } from '@jest/globals';
import { Histogram, Registry, type RegistryContentType } from 'prom-client';
import { PlainHistogram } from './plain-histogram.js';

const config = { name: 'seconds', help: 'A duration.', labelNames: ['consumer'] as const, buckets: [0.1, 1] };

function openMetrics(): Registry {
  const registry = new Registry();
  (registry as Registry<RegistryContentType>).setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

describe('a histogram of cells', () => {
  it('is written as the histogram of prom-client would be', async () => {
    const [ours, theirs] = [openMetrics(), openMetrics()];
    const cells = new PlainHistogram({ ...config, registers: [ours] });
    const histogram = new Histogram({ ...config, registers: [theirs] });
    for (const consumer of ['a', 'b']) {
      for (const value of [0, 0.1, 0.11, 1, 1.5, 300]) {
        cells.cell({ consumer }).observe(value);
        histogram.observe({ consumer }, value);
      }
    }
    const sorted = async (registry: Registry) => (await registry.metrics()).split('\n').toSorted();
    const normalised = (lines: string[]) =>
      lines.map((line) =>
        line.replace(/\{(.*)\}/, (_, labels: string) => labels.split(',').toSorted().join()),
      );
    expect(normalised(await sorted(ours)).toSorted()).toEqual(normalised(await sorted(theirs)).toSorted());
  });

  it('names the last trace of each bucket as its exemplar', async () => {
    const registry = openMetrics();
    const cell = new PlainHistogram({ ...config, registers: [registry] }).cell({ consumer: 'a' });
    cell.observe(0.05, 'old');
    cell.observe(0.06, 'new');
    cell.observe(0.07);
    cell.observe(7, 'slow');
    const text = await registry.metrics();
    expect(text).toMatch(/le="0.1".*\} 3 # \{trace_id="new"\} 0.06 \d/);
    expect(text).toMatch(/le="1".*\} 3$/m);
    expect(text).toMatch(/le="\+Inf".*\} 4 # \{trace_id="slow"\} 7 \d/);
  });
});
