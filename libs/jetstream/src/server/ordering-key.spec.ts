import { describe, expect, it } from '@jest/globals';
import type { MessageHandler } from '@nestjs/microservices';
import type { HandlerOptions } from '../handler.options.js';
import type { StreamDefinition } from '../topology/stream-definition.js';
import { partitionOf } from './ordering-key.js';
import { planConsumers } from './routes.js';

const streams: StreamDefinition[] = [{ name: 'S', subjects: ['s.>'], deadLetterSubject: 'dlq' }];
const handler = (() => Promise.resolve()) as unknown as MessageHandler;
const bySubject: HandlerOptions['orderBy'] = ({ subject }) => subject;

function plan(...options: Partial<HandlerOptions>[]) {
  const registrations = options.map((given, index) => ({
    pattern: `s.${index}`,
    handler,
    options: { durable: 'd', ...given },
  }));
  return planConsumers(registrations, streams);
}

describe('partitionOf', () => {
  it('spreads keys evenly and never changes where a key belongs', () => {
    for (const partitions of [2, 3, 4, 7]) {
      const counts = Array.from({ length: partitions }, () => 0);
      for (let key = 0; key < 10_000; key++) {
        const partition = partitionOf(`korder-${key}`, partitions);
        counts[partition] = (counts[partition] ?? 0) + 1;
      }
      expect(Math.min(...counts)).toBeGreaterThan((10_000 / partitions) * 0.85);
    }
    // Another release that placed keys elsewhere would break the order while both run.
    expect(['ka', 'korder-1', 'kä', 's17'].map((key) => partitionOf(key, 4))).toEqual([3, 3, 2, 2]);
  });
});

describe('a declaration with orderBy', () => {
  it('stands for all handlers of a durable', () => {
    expect(plan({ orderBy: bySubject }, {})).toMatchObject([
      { options: { orderBy: bySubject, partitions: 4 } },
    ]);
  });

  it.each<[string, Partial<HandlerOptions>[], RegExp]>([
    ['a batch', [{ orderBy: bySubject, batch: { size: 2, lingerMs: 1 } }], /leave out batch or orderBy/],
    [
      'no partitions',
      [{ orderBy: bySubject, partitions: 0 }],
      /partitions must be a whole number from 1 to 64/,
    ],
    [
      'two keys',
      [{ orderBy: bySubject }, { orderBy: () => 'x' }],
      /sets orderBy to another value than its neighbour/,
    ],
  ])('refuses %s', (_, options, sentence) => {
    expect(() => plan(...options)).toThrow(sentence);
  });
});
