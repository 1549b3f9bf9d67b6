import { Injectable } from '@nestjs/common';
import { IdempotencyRepository } from '@slipstream/idempotency';
import type { JetStreamContext } from '@slipstream/jetstream';
import { createHash } from 'node:crypto';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { toAuditRecord } from './audit-record.js';
import type { VerificationDto } from './audit.dto.js';
import { SegmentStore } from './segment-store.js';
import { SegmentsRepository } from './segments.repository.js';

const PAGE = 500;

/** Append-only log of messages in segments. Each segment's hash covers the one before it in its stream. */
@Injectable()
export class AuditLog {
  constructor(
    private readonly dataSource: DataSource,
    private readonly inbox: IdempotencyRepository,
    private readonly segments: SegmentsRepository,
    private readonly store: SegmentStore,
  ) {}

  /**
   * Writes the messages that were not recorded before as one segment. The object is stored before the transaction
   * that names it commits: after a crash between the two an object remains that no segment names, and nothing is lost.
   */
  async append(messages: readonly JetStreamContext[]): Promise<void> {
    const [first] = messages;
    if (!first) return;
    const { stream, consumer } = first;
    await this.dataSource.transaction(async (tx) => {
      const previous = await this.segments.lockChain(tx, stream);
      const fresh = await this.inbox.claim(tx, consumer, messages.map(keyOf));
      // Deleting as it goes keeps a message out that was delivered twice into one batch.
      const kept = messages.filter((message) => fresh.delete(keyOf(message)));
      if (kept.length === 0) return;
      const content = Buffer.from(kept.map(toAuditRecord).join(''));
      const digest = sha256(content);
      const object = `${stream}/${uuidv7()}.ndjson`;
      await this.store.write(object, content);
      await this.segments.add(tx, {
        stream,
        object,
        records: kept.length,
        bytes: content.length,
        sha256: digest,
        chain: sha256(previous + digest),
      });
    });
  }

  /** Reads every segment again and compares it with what was written down when it was stored. */
  async verify(): Promise<VerificationDto> {
    const result: VerificationDto = { ok: true, segments: 0, records: 0, problems: [] };
    const chains = new Map<string, string>();
    for (let after = 0; ;) {
      const page = await this.segments.list(after, PAGE);
      for (const segment of page) {
        const chain = sha256((chains.get(segment.stream) ?? '') + segment.sha256);
        if (chain !== segment.chain)
          result.problems.push(`segment ${segment.id} does not follow its predecessor`);
        chains.set(segment.stream, segment.chain);
        const content = await this.store.read(segment.object);
        if (!content) result.problems.push(`segment ${segment.id} is missing or cannot be read`);
        else if (sha256(content) !== segment.sha256) {
          result.problems.push(`segment ${segment.id} was changed`);
        }
        result.segments++;
        result.records += segment.records;
        after = segment.id;
      }
      if (page.length < PAGE) {
        result.ok = result.problems.length === 0;
        return result;
      }
    }
  }
}

/** A message's place in its stream; the time tells it from one of a stream that was created anew. */
function keyOf({ stream, sequence, timestamp }: JetStreamContext): string {
  return `${stream}:${sequence}:${timestamp.getTime()}`;
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}
