import { Injectable, Logger } from '@nestjs/common';
import type { AuditProblemDto, VerificationDto } from './audit.dto.js';
import { ChainHeads, type ChainHead } from './chain-heads.js';
import { HeadAnchors } from './head-anchors.js';
import { checkSegment, GENESIS, MOST_FINDINGS } from './record-chain.js';
import { SegmentStore } from './segment-store.js';
import { SegmentsRepository, type SignedEnd, type SignedSegment } from './segments.repository.js';

const PAGE = 500;

/** Reads the whole log again and compares it with its chain, its index and its signed heads. */
@Injectable()
export class AuditVerifier {
  private readonly logger = new Logger(AuditVerifier.name);

  constructor(
    private readonly segments: SegmentsRepository,
    private readonly store: SegmentStore,
    private readonly heads: ChainHeads,
  ) {}

  async verify(): Promise<VerificationDto> {
    const indexed = (await this.segments.ends()).map(({ stream }) => stream);
    const names = [...new Set([...indexed, ...(await this.heads.streams())])].toSorted();
    const logs: StreamLog[] = [];
    for (const name of names) logs.push(await this.verifyStream(name));
    const problems = logs.flatMap((log) => log.problems).slice(0, MOST_FINDINGS);
    return {
      ok: problems.length === 0,
      segments: logs.reduce((sum, { segments }) => sum + segments, 0),
      records: logs.reduce((sum, { records }) => sum + records, 0),
      problems,
    };
  }

  private async verifyStream(stream: string): Promise<StreamLog> {
    // Before the index, which goes on growing: a head that is read after it could be ahead of what was read.
    const anchors = new HeadAnchors();
    for await (const anchored of this.heads.all(stream)) anchors.add(anchored);
    const log = new StreamLog(stream, anchors, (end) => this.heads.isSigned(end));
    for (;;) {
      const page = await this.segments.listOf(stream, log.lastNumber, PAGE);
      for (const segment of page) log.add(segment, await this.examine(segment, log));
      if (page.length < PAGE) break;
    }
    log.close();
    return log;
  }

  /** What is wrong shows again in a second reading; a store that lost sight of an object for a moment is no tampering. */
  private async examine(segment: SignedSegment, log: StreamLog): Promise<Problem[]> {
    const problems = log.examine(segment, await this.store.read(segment.object));
    if (problems.length === 0) return problems;
    const again = log.examine(segment, await this.store.read(segment.object));
    if (again.length === 0)
      this.logger.warn({ segment, problems }, 'a segment was whole only when it was read again');
    return again;
  }
}

type Problem = Omit<AuditProblemDto, 'stream'>;

/** Follows the log of one stream from its first segment to its last. */
class StreamLog {
  readonly problems: AuditProblemDto[] = [];
  segments = 0;
  records = 0;
  lastNumber = 0;
  private chain = GENESIS;
  private signature: string | null = null;
  private recordsByIndex = 0;
  private contradicted: ChainHead | undefined;

  constructor(
    private readonly stream: string,
    private readonly anchors: HeadAnchors,
    private readonly isSigned: (end: SignedEnd) => boolean,
  ) {}

  /** Compares a segment with what the index says of it; undefined content could not be read. */
  examine(
    { number, object, firstRecord, records, chain }: SignedSegment,
    content: Buffer | undefined,
  ): Problem[] {
    if (!content) {
      const detail = `object ${object} is missing or cannot be read`;
      return [{ kind: 'removed', detail, record: firstRecord, segment: number }];
    }
    const claim = { firstRecord, records, chain, previous: this.chain };
    return checkSegment(content.toString(), claim).map((finding) => ({ ...finding, segment: number }));
  }

  add(segment: SignedSegment, problems: readonly Problem[]): void {
    this.findGap(segment);
    this.findHidden(segment);
    for (const problem of problems) this.report(problem);
    this.segments++;
    this.records += segment.records;
    this.recordsByIndex = segment.firstRecord + segment.records - 1;
    this.lastNumber = segment.number;
    this.chain = segment.chain;
    this.signature = segment.signature;
    this.contradicted ??= this.anchors.of(segment.number).find(({ chain }) => chain !== segment.chain);
  }

  /** Compares the log with its signed heads. */
  close(): void {
    const { newest, forged } = this.anchors;
    if (forged > 0) {
      const detail = `${forged} heads were not signed with the key of this service`;
      this.report({ kind: 'forged', detail, record: null, segment: null });
    }
    if (this.contradicted) {
      const { at, records, segments } = this.contradicted;
      const detail = `the log is another one than the head signed at ${at} tells of`;
      this.report({ kind: 'rewritten', detail, record: records, segment: segments });
    }
    if (newest && newest.segments > this.lastNumber) {
      const detail = `the log ends with record ${this.recordsByIndex}; the head signed at ${newest.at} counts ${newest.records}`;
      this.report({
        kind: 'truncated',
        detail,
        record: this.recordsByIndex + 1,
        segment: this.lastNumber + 1,
      });
    }
    this.findAddition(newest);
  }

  /** What no head tells of yet is signed in the index; the signature of its end covers all of it. */
  private findAddition(newest: ChainHead | undefined): void {
    const { stream, lastNumber: segments, recordsByIndex: records, chain, signature } = this;
    const told = newest?.segments ?? 0;
    if (segments <= told || this.isSigned({ stream, segments, records, chain, signature })) return;
    const detail = `segments ${told + 1} to ${segments} were not signed with the key of this service`;
    this.report({ kind: 'forged', detail, record: (newest?.records ?? 0) + 1, segment: told + 1 });
  }

  private findGap({ number, firstRecord }: SignedSegment): void {
    if (number === this.lastNumber + 1 && firstRecord === this.recordsByIndex + 1) return;
    const detail = `segments ${this.lastNumber + 1} to ${number - 1} are not in the index`;
    this.report({
      kind: 'removed',
      detail,
      record: this.recordsByIndex + 1,
      segment: this.lastNumber + 1,
    });
  }

  /** Who lists segments begins behind id 0. */
  private findHidden({ id, number, firstRecord }: SignedSegment): void {
    if (id > 0) return;
    const detail = `the id of segment ${number} is ${id}, which hides it from lists of segments`;
    this.report({ kind: 'changed', detail, record: firstRecord, segment: number });
  }

  private report(problem: Problem): void {
    if (this.problems.length < MOST_FINDINGS) this.problems.push({ stream: this.stream, ...problem });
  }
}
