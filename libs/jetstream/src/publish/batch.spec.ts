import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { indexesToRepeat, type BatchResult } from './batch.js';
import {
  NoStreamError,
  PublishTimeoutError,
  StreamFullError,
  WrongLastSequenceError,
} from './publish-errors.js';

const failure = { subject: 'a' };
const STORED = { stream: 'S', sequence: 1, duplicate: false };
const GONE = new NoStreamError('no stream answered', failure);
const LOST = new PublishTimeoutError('no answer came', failure);
const FULL = new StreamFullError('maximum messages exceeded', failure);
const REFUSED = new WrongLastSequenceError('wrong last sequence: 5', failure);

const message = fc.record({ subject: fc.constantFrom('a', 'b'), isConditional: fc.boolean() });
const result = fc.constantFrom<BatchResult>(STORED, GONE, LOST, FULL, REFUSED);
const attempts = fc.array(fc.tuple(message, result), { maxLength: 12 });

describe('messages of a batch that are sent again', () => {
  it('are never overtaken: no stored message of their subject follows them', () => {
    fc.assert(
      fc.property(attempts, (batch) => {
        const messages = batch.map(([sent]) => sent);
        const results = batch.map(([, answer]) => answer);
        const again = indexesToRepeat(messages, results);
        expect(again).toEqual(again.toSorted((a, b) => a - b));
        for (const index of again) {
          const later = batch.slice(index + 1).filter(([sent]) => sent.subject === messages[index]?.subject);
          expect(later.map(([, answer]) => answer)).not.toContain(STORED);
        }
      }),
    );
  });

  it('are those that failed for the moment', () => {
    const plain = { subject: 'a', isConditional: false };
    const results = [STORED, GONE, REFUSED, FULL, LOST];
    expect(
      indexesToRepeat(
        results.map(() => plain),
        results,
      ),
    ).toEqual([1, 4]);
  });

  it('are not those with an expectation whose answer was lost', () => {
    const conditional = { subject: 'a', isConditional: true };
    expect(indexesToRepeat([conditional, conditional], [GONE, LOST])).toEqual([0]);
  });
});
