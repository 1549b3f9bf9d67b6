import { describe, expect, it } from '@jest/globals';
import { createLog } from './log.js';

function write(fields: object, message: string): { line: string; value: Record<string, unknown> } {
  const lines: string[] = [];
  createLog('x', {}, { write: (line) => void lines.push(line) }).info(fields, message);
  expect(lines).toHaveLength(1);
  const [line = ''] = lines;
  return { line, value: JSON.parse(line) as Record<string, unknown> };
}

describe('a log line', () => {
  it('cannot be forged by line breaks, nor command a terminal', () => {
    const nasty = 'a\r\n{"level":"fatal"}\u001b[2J\u009b2J\u2028b';
    const { line, value } = write({ order_id: nasty }, nasty);
    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    expect(line.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028]/);
    expect(value).toMatchObject({ level: 'info', order_id: nasty, msg: nasty });
  });

  it('keeps its fields when a text in it is huge, and says how long that was', () => {
    const { line, value } = write({ order_id: 'o-1', nested: { body: 'x'.repeat(1_000_000) } }, 'said');
    expect(line.length).toBeLessThan(20_000);
    expect(value).toMatchObject({ order_id: 'o-1', msg: 'said' });
    expect((value['nested'] as { body: string }).body).toMatch(/^x{1024}… \(1000000 characters\)$/);
  });

  it('is short although many of its texts are long', () => {
    const texts = Array.from({ length: 50 }, (_, index) => `${index}`.padEnd(1_000, 'x'));
    const { line, value } = write({ order_id: 'o-1', texts, nested: { texts, deeper: { texts } } }, 'said');
    expect(line.length).toBeLessThanOrEqual(16 * 1_024 + 1);
    expect(value).toMatchObject({ order_id: 'o-1', msg: 'said' });
  });

  it('is not flooded by many entries either', () => {
    const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, index]));
    expect(write({ many, list: Object.values(many) }, 'said').line.length).toBeLessThan(20_000);
  });
});
