import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { SegmentDto } from './audit.dto.js';
import { GENESIS } from './record-chain.js';

/** A segment as the index holds it. */
export interface SignedSegment extends SegmentDto {
  /** Of the end it made; empty when that was not to be signed, null from releases that signed no segments. */
  readonly signature: string | null;
}

export type NewSegment = Omit<SignedSegment, 'id' | 'createdAt'>;

/** Where the log of a stream ends. */
export interface ChainEnd {
  readonly stream: string;
  readonly segments: number;
  readonly records: number;
  readonly chain: string;
}

export interface SignedEnd extends ChainEnd, Pick<SignedSegment, 'signature'> {}

export interface CurrentEnd extends SignedEnd {
  /** Where its segment is; empty for an empty log. */
  readonly object: string;
  /** True for a minute after its segment was added. */
  readonly isRecent: boolean;
}

const SEGMENT = `id, stream, number, object, first_record AS "firstRecord", records, bytes, chain, created_at AS "createdAt"`;
const END = `stream, number AS segments, first_record + records - 1 AS records, chain, signature, object,
  clock_timestamp() - created_at BETWEEN interval '0' AND interval '1 minute' AS "isRecent"`;

@Injectable()
export class SegmentsRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** Makes the transaction the only writer of the stream's log and returns where it ends. */
  async lockEnd(tx: EntityManager, stream: string): Promise<CurrentEnd> {
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`audit:${stream}`]);
    return this.endOf(stream, tx);
  }

  async endOf(stream: string, executor: Pick<EntityManager, 'query'> = this.dataSource): Promise<CurrentEnd> {
    const [end] = await executor.query(
      `SELECT ${END} FROM audit_segments WHERE stream = $1 ORDER BY number DESC LIMIT 1`,
      [stream],
    );
    return (
      end ?? {
        stream,
        segments: 0,
        records: 0,
        chain: GENESIS,
        signature: null,
        object: '',
        isRecent: false,
      }
    );
  }

  /** To be called last: until the transaction ends, nobody else adds a segment to any log. */
  async add(tx: EntityManager, segment: NewSegment): Promise<void> {
    // Ids that were committed in another order than they were drawn would hide a segment from who reads on behind the last.
    await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('audit_segments', 0))`);
    await tx.query(
      `INSERT INTO audit_segments (stream, number, object, first_record, records, bytes, chain, signature)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        segment.stream,
        segment.number,
        segment.object,
        segment.firstRecord,
        segment.records,
        segment.bytes,
        segment.chain,
        segment.signature,
      ],
    );
  }

  /** Where the log of every stream ends. */
  ends(): Promise<CurrentEnd[]> {
    return this.dataSource.query(
      `SELECT DISTINCT ON (stream) ${END} FROM audit_segments ORDER BY stream, number DESC`,
    );
  }

  /** A page of segments in the order they were written. */
  list(afterId: number, limit: number): Promise<SegmentDto[]> {
    return this.dataSource.query(`SELECT ${SEGMENT} FROM audit_segments WHERE id > $1 ORDER BY id LIMIT $2`, [
      afterId,
      limit,
    ]);
  }

  /** A page of a stream's segments in the order of their numbers. */
  listOf(stream: string, afterNumber: number, limit: number): Promise<SignedSegment[]> {
    return this.dataSource.query(
      `SELECT ${SEGMENT}, signature FROM audit_segments WHERE stream = $1 AND number > $2 ORDER BY number LIMIT $3`,
      [stream, afterNumber, limit],
    );
  }
}
