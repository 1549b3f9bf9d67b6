import { describe, expect, it } from '@jest/globals';
import { quantileOf, readMetrics } from './metrics-text.js';

const histogram = (...counts: readonly [bound: string, count: number][]) =>
  readMetrics(counts.map(([bound, count]) => `x_bucket{le="${bound}"} ${count}`).join('\n'));

describe('metrics as text', () => {
  it('are read with their labels, without comments and exemplars', () => {
    const text = [
      '# HELP a says # something',
      'a 1',
      'b_total{path="/a{b}",quote="\\"",service="s"} 2.5e3 # {trace_id="1"} 1',
      '',
    ].join('\n');
    expect(readMetrics(text)).toEqual([
      { name: 'a', labels: {}, value: 1 },
      { name: 'b_total', labels: { path: '/a{b}', quote: '\\"', service: 's' }, value: 2_500 },
    ]);
  });

  it.each([
    [0.5, 1.5],
    [0.9, 3.5],
    [1, 4],
  ])('have a quantile %d of %d, spread evenly within a bucket', (share, value) => {
    expect(quantileOf(share, histogram(['1', 4], ['2', 6], ['4', 10], ['+Inf', 10]))).toBeCloseTo(value);
  });

  it('have no finite quantile where values lie beyond all bounds, and none without values', () => {
    expect(quantileOf(0.99, histogram(['1', 1], ['+Inf', 10]))).toBe(Infinity);
    expect(quantileOf(0.99, histogram(['1', 0], ['+Inf', 0]))).toBeUndefined();
    expect(quantileOf(0.99, [])).toBeUndefined();
  });

  it('of several processes add up', () => {
    const [one, other] = [
      histogram(['1', 9], ['2', 9], ['+Inf', 9]),
      histogram(['1', 0], ['2', 1], ['+Inf', 1]),
    ];
    expect(quantileOf(0.95, [...one, ...other])).toBeCloseTo(1.5);
  });
});
