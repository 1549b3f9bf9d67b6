import { hash } from 'node:crypto';

/** What the first record of a stream names as the one before it. */
export const GENESIS = '0'.repeat(64);

const HASH_LENGTH = 64;
const SUFFIX_LENGTH = ',"hash":""}'.length + HASH_LENGTH;
/** Tells a record's hash from any other hash of the same bytes (domain separation, RFC 6962 section 2.1). */
const RECORD_PREFIX = '\0';

/** Where a record stands in the log of its stream. */
export interface RecordPosition {
  /** 1 for the first record of the stream. */
  readonly number: number;
  /** Hash of the record before it. */
  readonly previous: string;
}

export interface ChainedRecord {
  /** One line of a segment, with its line break. */
  readonly line: string;
  readonly hash: string;
}

/** A line that was read back. */
export interface ReadRecord extends RecordPosition {
  readonly hash: string;
  /** False when the content is not what the hash was made of. */
  readonly isIntact: boolean;
  readonly content: Readonly<Record<string, unknown>>;
}

/** What a segment has to hold, by the index. */
export interface SegmentClaim {
  readonly firstRecord: number;
  readonly records: number;
  /** Hash of the record before the first. */
  readonly previous: string;
  /** Hash of the last record. */
  readonly chain: string;
}

/** More would not tell more, and the number of records is only what the index says. */
export const MOST_FINDINGS = 1_000;

export type FindingKind = 'changed' | 'removed' | 'inserted' | 'swapped';

export interface Finding {
  readonly kind: FindingKind;
  /** Number of the record in its stream. */
  readonly record: number;
  readonly detail: string;
}

/** Writes a record as a line whose hash covers its content, its number and the hash of the record before it. */
export function chainRecord(content: object, { number, previous }: RecordPosition): ChainedRecord {
  const body = JSON.stringify({ number, previous, ...content });
  const digest = hashRecord(body);
  return { line: `${body.slice(0, -1)},"hash":"${digest}"}\n`, hash: digest };
}

/** @returns undefined when the line is no record */
export function readRecord(line: string): ReadRecord | undefined {
  try {
    const content = JSON.parse(line) as Record<string, unknown>;
    const { number, previous, hash: claimed } = content;
    if (typeof number !== 'number' || typeof previous !== 'string' || typeof claimed !== 'string')
      return undefined;
    const isIntact = hashRecord(`${line.slice(0, -SUFFIX_LENGTH)}}`) === claimed;
    return { number, previous, hash: claimed, isIntact, content };
  } catch {
    return undefined;
  }
}

/** Says what was done to a segment, record by record; nothing when it is as it was written. */
export function checkSegment(segment: string, claim: SegmentClaim): Finding[] {
  const lines = segment.split('\n');
  const tail = lines.pop();
  const records = lines.map(readRecord);
  // Whatever stands behind the last line break was not written with the segment.
  if (tail !== '') records.push(undefined);
  const last = claim.firstRecord + claim.records - 1;
  const isWithin = ({ number }: RecordPosition) => number >= claim.firstRecord && number <= last;
  if (records.length > 0 && records.every((record) => record?.isIntact && !isWithin(record))) {
    const detail = `the segment holds records ${records[0]?.number} to ${records.at(-1)?.number} instead`;
    return [{ kind: 'swapped', record: claim.firstRecord, detail }];
  }
  const findings = [...findMisplaced(records, claim.firstRecord, isWithin)];
  const found = new Set(
    records.map((record, index) => (record?.isIntact ? record.number : claim.firstRecord + index)),
  );
  for (let number = claim.firstRecord; number <= last && findings.length < MOST_FINDINGS; number++) {
    if (!found.has(number)) findings.push({ kind: 'removed', record: number, detail: 'the record is gone' });
  }
  return findings.length > 0 ? findings : findBrokenLinks(records.filter(isRecord), claim);
}

function findMisplaced(
  records: readonly (ReadRecord | undefined)[],
  firstRecord: number,
  isWithin: (record: ReadRecord) => boolean,
): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<number>();
  let highest = 0;
  for (const [index, record] of records.entries()) {
    const expected = firstRecord + index;
    if (!record?.isIntact) {
      findings.push({ kind: 'changed', record: expected, detail: 'the record does not match its hash' });
      continue;
    }
    const { number } = record;
    if (!isWithin(record) || seen.has(number)) {
      const detail = `a record with number ${number} stands where ${expected} belongs`;
      findings.push({ kind: 'inserted', record: expected, detail });
    } else if (number < highest) {
      findings.push({ kind: 'swapped', record: number, detail: `the record stands behind ${highest}` });
    }
    seen.add(number);
    highest = Math.max(highest, number);
  }
  return findings;
}

/** Finds a record that was exchanged for another one with a right hash of its own. */
function findBrokenLinks(records: readonly ReadRecord[], { previous, chain }: SegmentClaim): Finding[] {
  let expected = previous;
  for (const record of records) {
    if (record.previous !== expected) {
      const detail = 'the record does not follow the one before it';
      return [{ kind: 'changed', record: record.number, detail }];
    }
    expected = record.hash;
  }
  const last = records.at(-1)?.number ?? 0;
  return expected === chain
    ? []
    : [{ kind: 'changed', record: last, detail: 'the record is not the one that was written' }];
}

function isRecord(record: ReadRecord | undefined): record is ReadRecord {
  return record !== undefined;
}

function hashRecord(body: string): string {
  return hash('sha256', RECORD_PREFIX + body, 'hex');
}
