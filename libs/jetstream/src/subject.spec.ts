import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { covers, isValidPattern, matches, overlaps } from './subject.js';

const token = fc.constantFrom('a', 'b', 'c');
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([tokens, open]) => [...tokens, ...(open ? ['>'] : [])].join('.'));

/** The rule of the NATS documentation as a regular expression. */
function toRegExp(text: string): RegExp {
  const source = text.split('.').map((part) => (part === '*' ? '[^.]+' : part === '>' ? '.+' : part));
  return new RegExp(`^${source.join('\\.')}$`);
}

/** Every subject of up to four parts; `d` stands for a part that no pattern names. */
const universe = subjectsOf(4);

function subjectsOf(length: number): string[] {
  const parts = ['a', 'b', 'c', 'd'];
  if (length === 1) return parts;
  const shorter = subjectsOf(length - 1);
  return [...new Set([...shorter, ...shorter.flatMap((start) => parts.map((part) => `${start}.${part}`))])];
}

function matchedBy(text: string): string[] {
  const expression = toRegExp(text);
  return universe.filter((one) => expression.test(one));
}

describe('subject patterns', () => {
  it('match exactly the subjects the NATS rule says', () => {
    fc.assert(
      fc.property(pattern, subject, (p, s) => matches(p, s) === toRegExp(p).test(s)),
      { numRuns: 2_000 },
    );
  });

  it('overlap whenever one subject matches both', () => {
    fc.assert(
      fc.property(
        pattern,
        pattern,
        subject,
        (p, q, s) => !(matches(p, s) && matches(q, s)) || overlaps(p, q),
      ),
      { numRuns: 2_000 },
    );
  });

  it('cover another pattern only if they match every subject of it', () => {
    fc.assert(
      fc.property(pattern, pattern, subject, (p, q, s) => !(covers(p, q) && matches(q, s)) || matches(p, s)),
      { numRuns: 2_000 },
    );
  });

  it('overlap and cover exactly where trying every subject says so', () => {
    fc.assert(
      fc.property(pattern, pattern, (p, q) => {
        const [ofP, ofQ] = [new Set(matchedBy(p)), matchedBy(q)];
        return (
          overlaps(p, q) === ofQ.some((one) => ofP.has(one)) &&
          covers(p, q) === ofQ.every((one) => ofP.has(one))
        );
      }),
      { numRuns: 500 },
    );
  });

  it.each(['a..b', '.a', 'a.', 'a b', 'a.>.b', '', 'a*.b'])('are refused when malformed: "%s"', (text) => {
    expect(isValidPattern(text)).toBe(false);
  });
});
