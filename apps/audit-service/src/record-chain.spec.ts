import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chainRecord, checkSegment, GENESIS, MOST_FINDINGS, type SegmentClaim } from './record-chain.js';

function writeSegment(contents: readonly object[], firstRecord = 1, previous = GENESIS) {
  let chain = previous;
  const lines = contents.map((content, index) => {
    const record = chainRecord(content, { number: firstRecord + index, previous: chain });
    chain = record.hash;
    return record.line;
  });
  const claim: SegmentClaim = { firstRecord, records: lines.length, previous, chain };
  return { lines, claim };
}

const contents = fc.array(fc.record({ body: fc.string(), sequence: fc.nat() }), {
  minLength: 3,
  maxLength: 20,
});
const cases = fc.record({ contents, firstRecord: fc.integer({ min: 1, max: 1_000 }), at: fc.nat() });

describe('a segment', () => {
  it('is as it was written', () => {
    fc.assert(
      fc.property(cases, ({ contents: all, firstRecord }) => {
        const { lines, claim } = writeSegment(all, firstRecord);
        expect(checkSegment(lines.join(''), claim)).toEqual([]);
      }),
    );
  });

  it.each(['changed', 'removed', 'inserted', 'swapped'] as const)('shows which record was %s', (kind) => {
    fc.assert(
      fc.property(cases, ({ contents: all, firstRecord, at }) => {
        const { lines, claim } = writeSegment(all, firstRecord);
        const index = at % (lines.length - 1);
        const tampered = tamper[kind](lines, index);
        expect(checkSegment(tampered.join(''), claim)[0]).toMatchObject({
          kind,
          record: firstRecord + index + (kind === 'inserted' ? 1 : 0),
        });
      }),
    );
  });

  it('whose index claims more records than there can be is shown without counting to them', () => {
    const { lines, claim } = writeSegment([{ body: 'a' }]);
    const findings = checkSegment(lines.join(''), { ...claim, records: Number.MAX_SAFE_INTEGER - 1 });
    expect(findings[0]).toMatchObject({ kind: 'removed', record: 2 });
    expect(findings).toHaveLength(MOST_FINDINGS);
  });

  it('shows a record that was exchanged for one with a right hash of its own', () => {
    const { lines, claim } = writeSegment([{ body: 'a' }, { body: 'b' }, { body: 'c' }]);
    const [first = '', , third = ''] = lines;
    const { previous } = JSON.parse(lines[1] ?? '');
    const forged = chainRecord({ body: 'forged' }, { number: 2, previous }).line;
    expect(checkSegment(first + forged + third, claim)).toMatchObject([{ kind: 'changed', record: 3 }]);
    expect(checkSegment(first + forged, { ...claim, records: 2 })).toMatchObject([
      { kind: 'changed', record: 2 },
    ]);
  });

  it('shows what was added behind its last line', () => {
    const { lines, claim } = writeSegment([{ body: 'a' }, { body: 'b' }]);
    expect(checkSegment(`${lines.join('')}${lines[0]?.trimEnd()}`, claim)).toMatchObject([
      { kind: 'changed', record: 3 },
    ]);
    expect(checkSegment(lines.join('').trimEnd(), claim)).toMatchObject([{ kind: 'changed', record: 2 }]);
  });

  it('shows that another segment stands in its place', () => {
    const { claim } = writeSegment([{ body: 'a' }, { body: 'b' }]);
    const other = writeSegment([{ body: 'c' }, { body: 'd' }], 3, claim.chain);
    expect(checkSegment(other.lines.join(''), claim)).toMatchObject([{ kind: 'swapped', record: 1 }]);
  });
});

const tamper = {
  changed: (lines: readonly string[], index: number) =>
    lines.with(index, (lines[index] ?? '').replace('"sequence":', '"sequence":1')),
  removed: (lines: readonly string[], index: number) => lines.toSpliced(index, 1),
  inserted: (lines: readonly string[], index: number) => lines.toSpliced(index + 1, 0, lines[index] ?? ''),
  swapped: (lines: readonly string[], index: number) =>
    lines.with(index, lines[index + 1] ?? '').with(index + 1, lines[index] ?? ''),
};
