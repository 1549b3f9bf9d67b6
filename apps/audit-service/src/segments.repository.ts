import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { SegmentDto } from './audit.dto.js';

export type NewSegment = Omit<SegmentDto, 'id' | 'createdAt'>;

const SEGMENT = 'id, stream, object, records, bytes, sha256, chain, created_at AS "createdAt"';

@Injectable()
export class SegmentsRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** Makes the transaction the only writer of the stream's chain and returns the chain's end, '' for a new chain. */
  async lockChain(tx: EntityManager, stream: string): Promise<string> {
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`audit:${stream}`]);
    const [last] = await tx.query('SELECT chain FROM segments WHERE stream = $1 ORDER BY id DESC LIMIT 1', [
      stream,
    ]);
    return last?.chain ?? '';
  }

  async add(tx: EntityManager, segment: NewSegment): Promise<void> {
    await tx.query(
      'INSERT INTO segments (stream, object, records, bytes, sha256, chain) VALUES ($1, $2, $3, $4, $5, $6)',
      [segment.stream, segment.object, segment.records, segment.bytes, segment.sha256, segment.chain],
    );
  }

  /** A page of segments in the order they were written. */
  list(afterId: number, limit: number): Promise<SegmentDto[]> {
    return this.dataSource.query(`SELECT ${SEGMENT} FROM segments WHERE id > $1 ORDER BY id LIMIT $2`, [
      afterId,
      limit,
    ]);
  }
}
