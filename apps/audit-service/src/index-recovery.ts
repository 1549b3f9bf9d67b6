import { Injectable, Logger } from '@nestjs/common';
import { PostgresInbox } from '@slipstream/idempotency';
import type { EntityManager } from 'typeorm';
import { identityOfRecord, type AuditRecord } from './audit-record.js';
import { dayOf } from './audit-storage.js';
import { ChainHeads, type ChainHead } from './chain-heads.js';
import { HeadAnchors } from './head-anchors.js';
import { checkSegment, readRecord } from './record-chain.js';
import { numberOf, SegmentStore } from './segment-store.js';
import { SegmentsRepository, type ChainEnd, type CurrentEnd } from './segments.repository.js';

/** A segment that follows another one, found among the objects. */
interface FoundSegment extends ChainEnd {
  readonly object: string;
  readonly before: FoundSegment | undefined;
}

class EndMovedError extends Error {}

/**
 * Brings the index back from the objects when the database was lost or put back to an earlier moment. Nothing is taken on
 * trust: a chain of hashes has to lead from the end of the index to a head that this service signed. A database that still
 * knows the messages was not put back; somebody has cut the index off, which must be looked into.
 */
@Injectable()
export class IndexRecovery {
  private readonly logger = new Logger(IndexRecovery.name);

  constructor(
    private readonly inbox: PostgresInbox,
    private readonly segments: SegmentsRepository,
    private readonly store: SegmentStore,
    private readonly heads: ChainHeads,
  ) {}

  /** Brings back what comes before the first segment that is not found, or that no signed head proves. */
  async recover({ stream, segments }: ChainHead): Promise<void> {
    const end = await this.segments.endOf(stream);
    if (end.segments >= segments) return;
    const recovered = await this.follow(end, segments);
    const report = { stream, known: end.segments, recovered, signed: segments };
    if (recovered >= segments) this.logger.warn(report, 'the index of the audit log was brought back');
    else this.logger.error(report, 'the objects of the audit log do not lead to its signed head');
  }

  /** @returns the number of the last segment that is in the index and that the objects lead to */
  private async follow(end: CurrentEnd, segments: number): Promise<number> {
    const { stream } = end;
    const anchors = new HeadAnchors();
    for await (const anchored of this.heads.all(stream)) anchors.add(anchored);
    // By the object: a row that an interrupted recovery added is newer than the objects it has yet to find.
    const since = dayOf(end.object) ?? new Date(anchors.oldest?.at ?? Date.now());
    const objects = Map.groupBy(await this.store.list(stream, end.segments + 1, since), numberOf);
    let last: FoundSegment[] = [{ ...end, before: undefined }];
    let recovered = end.segments;
    for (let number = recovered + 1; number <= segments && last.length > 0; number++) {
      last = await this.after(last, objects.get(number) ?? []);
      const proven = last.find((found) => anchors.of(number).some((head) => isEndOf(found, head)));
      if (!proven) continue;
      for (const segment of pathTo(proven)) if (!(await this.add(segment))) return recovered;
      recovered = (await this.segments.endOf(stream)).segments;
      if (recovered < number) break;
      last = [{ ...proven, before: undefined }];
    }
    return recovered;
  }

  /** What the objects hold that may come next: more than one, where a crash left an object that no segment names. */
  private async after(last: readonly FoundSegment[], objects: readonly string[]): Promise<FoundSegment[]> {
    const next: FoundSegment[] = [];
    for (const object of objects) {
      const content = await this.store.read(object);
      for (const before of last) next.push(...segmentAfter(before, object, content));
    }
    return next;
  }

  /**
   * The messages of a segment are known again together with it: whatever is delivered once more is no news.
   * @returns false when the segment cannot follow the end of the index any more
   */
  private async add(segment: FoundSegment): Promise<boolean> {
    const content = await this.store.read(segment.object);
    if (!content) return false;
    try {
      await this.inbox.onceEach(recordsOf(content).map(identityOfRecord), (tx) =>
        this.index(tx, segment, content.length),
      );
      return true;
    } catch (error) {
      if (error instanceof EndMovedError) return false;
      throw error;
    }
  }

  /** @throws EndMovedError when something else was recorded meanwhile */
  private async index(tx: EntityManager, segment: FoundSegment, bytes: number): Promise<void> {
    const { object, before, stream, segments: number, records, chain } = segment;
    const end = await this.segments.lockEnd(tx, stream);
    // A return would commit that its messages are known: they would be delivered once more and never be recorded.
    if (end.segments !== before?.segments || end.chain !== before.chain) throw new EndMovedError();
    await this.segments.add(tx, {
      stream,
      number,
      object,
      firstRecord: before.records + 1,
      records: records - before.records,
      bytes,
      chain,
      signature: this.heads.sign({ stream, segments: number, records, chain }),
    });
  }
}

/** The segment that an object holds, if it follows another one without a flaw. */
function segmentAfter(before: FoundSegment, object: string, content: Buffer | undefined): FoundSegment[] {
  const text = content?.toString() ?? '';
  const lines = text.split('\n').slice(0, -1);
  const chain = readRecord(lines.at(-1) ?? '')?.hash;
  if (chain === undefined) return [];
  const claim = { firstRecord: before.records + 1, records: lines.length, previous: before.chain, chain };
  if (checkSegment(text, claim).length > 0) return [];
  const { stream, segments, records } = before;
  return [{ stream, segments: segments + 1, records: records + lines.length, chain, object, before }];
}

function isEndOf({ records, chain }: ChainEnd, head: ChainHead): boolean {
  return records === head.records && chain === head.chain;
}

function pathTo(segment: FoundSegment): FoundSegment[] {
  const path: FoundSegment[] = [];
  for (let at: FoundSegment | undefined = segment; at?.before; at = at.before) path.unshift(at);
  return path;
}

function recordsOf(content: Buffer): AuditRecord[] {
  return content
    .toString()
    .split('\n')
    .flatMap((line) => (readRecord(line)?.content as AuditRecord | undefined) ?? []);
}
