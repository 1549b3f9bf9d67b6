import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { failpoint } from '@slipstream/failpoints';
import { PostgresInbox } from '@slipstream/idempotency';
import { OutageError } from '@slipstream/jetstream';
import { isDatabaseUnavailable } from '@slipstream/postgres';
import type { EntityManager } from 'typeorm';
import { identityOf, placeOf, toAuditRecord, type RecordedMessage } from './audit-record.js';
import { ChainHeads, type AnchoredHead } from './chain-heads.js';
import { IndexRecovery } from './index-recovery.js';
import { chainRecord } from './record-chain.js';
import { SegmentStore, segmentName } from './segment-store.js';
import { SegmentsRepository, type ChainEnd, type CurrentEnd } from './segments.repository.js';

/** Append-only log of messages in segments. The hash of each record covers the one before it in its stream. */
@Injectable()
export class AuditLog implements OnApplicationBootstrap {
  private readonly logger = new Logger(AuditLog.name);

  constructor(
    private readonly inbox: PostgresInbox,
    private readonly segments: SegmentsRepository,
    private readonly store: SegmentStore,
    private readonly heads: ChainHeads,
    private readonly recovery: IndexRecovery,
  ) {}

  /**
   * The database may have been put back since the last head, and must know what the log holds before anything is recorded;
   * or a crash may have come between the commit of a segment and its head.
   */
  async onApplicationBootstrap(): Promise<void> {
    const heads = new Map<string, AnchoredHead | undefined>();
    // Before the ends, which go on growing: a head that is read later could be ahead of them.
    for (const stream of await this.heads.streams()) heads.set(stream, await this.heads.latest(stream));
    for (const head of heads.values()) if (head?.isGenuine) await this.recovery.recover(head.head);
    for (const end of await this.segments.ends()) {
      const head = heads.get(end.stream);
      const isTold = head?.isGenuine === true && head.head.chain === end.chain;
      if (!isTold && !isHeadDue(end, head) && this.agrees(end, head)) await this.publishHead(end);
    }
  }

  /**
   * Writes the messages that were not recorded before as one segment. The object is stored before the transaction
   * that names it commits: after a crash between the two an object remains that no segment names, and nothing is lost.
   * @throws OutageError while something is away that the log is kept in: no message can be the cause of that
   */
  async append(messages: readonly RecordedMessage[]): Promise<void> {
    const [first] = messages;
    if (!first) return;
    let end = undefined as ChainEnd | undefined;
    const recording = this.inbox.onceEach(messages.map(identityOf), async (tx, fresh) => {
      const missing = new Set(fresh);
      // Deleting as it goes keeps a message out that was delivered twice into one batch.
      const kept = messages.filter((message) => missing.delete(placeOf(message)));
      end = await this.record(tx, first.stream, kept);
    });
    const recorded = await recording.catch(tellOutage);
    failpoint('audit.committed');
    // What another run recorded has its head from there.
    if (recorded.size > 0 && end) await this.publishHead(end);
  }

  /** @returns the end to publish, unless it must not be signed */
  private async record(
    tx: EntityManager,
    stream: string,
    messages: readonly RecordedMessage[],
  ): Promise<ChainEnd | undefined> {
    const before = await need('the lock of the log', this.segments.lockEnd(tx, stream));
    const head = await need('the stream of heads', this.heads.latest(stream));
    if (isHeadDue(before, head)) throw new OutageError('the head of the segment before is under way');
    const mustSign = this.agrees(before, head);
    const { lines, chain } = chainRecords(messages, before);
    const content = Buffer.from(lines.join(''));
    const number = before.segments + 1;
    const after = { stream, segments: number, records: before.records + messages.length, chain };
    const object = await need('the object store', this.store.write(segmentName(stream, number), content));
    failpoint('audit.stored');
    await this.segments.add(tx, {
      stream,
      number,
      object,
      firstRecord: before.records + 1,
      records: messages.length,
      bytes: content.length,
      chain,
      signature: mustSign ? this.heads.sign(after) : '',
    });
    return mustSign ? after : undefined;
  }

  /**
   * Messages are recorded whatever happened to the log, but a log that was cut off or added to must not be signed again as if
   * it were whole. Only somebody who looks into it should end the alarm.
   */
  private agrees(end: CurrentEnd, anchored: AnchoredHead | undefined): boolean {
    const head = anchored?.isGenuine ? anchored.head : undefined;
    const told = head?.segments ?? 0;
    const isTold = end.segments === told && (!head || end.chain === head.chain);
    if (isTold || (end.segments > told && this.heads.isSigned(end))) return true;
    this.logger.error(
      { stream: end.stream, head, end },
      'the audit log was cut off, added to or written anew by somebody; it is not signed',
    );
    return false;
  }

  private async publishHead(end: ChainEnd): Promise<void> {
    try {
      await this.heads.publish({ ...end, at: new Date().toISOString() });
    } catch (error) {
      // The segment is committed; the head of the next one covers it.
      this.logger.error({ err: error, stream: end.stream }, 'the head of the audit log was not published');
    }
  }
}

/**
 * A process of a release that signs no segments tells of them by their heads alone, soon after they were committed. Who
 * does not wait for that would take them for somebody else's and never sign again.
 */
function isHeadDue(end: CurrentEnd, anchored: AnchoredHead | undefined): boolean {
  const told = anchored?.isGenuine ? anchored.head.segments : 0;
  return end.isRecent && end.signature === null && end.segments > told;
}

/** Keys that another process holds for long, among others: no message can be the cause of that. */
function tellOutage(cause: unknown): never {
  if (!isDatabaseUnavailable(cause)) throw cause;
  throw new OutageError('the database is away or kept busy by another process', { cause });
}

async function need<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new OutageError(`${what} is away: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

function chainRecords(messages: readonly RecordedMessage[], before: ChainEnd) {
  let { chain, records: number } = before;
  const lines = messages.map((message) => {
    const { line, hash } = chainRecord(toAuditRecord(message), { number: ++number, previous: chain });
    chain = hash;
    return line;
  });
  return { lines, chain };
}
