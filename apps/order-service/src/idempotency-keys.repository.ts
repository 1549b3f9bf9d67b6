import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

/** An Idempotency-Key, the order it stands for and what that order was made of. */
export interface KeyClaim {
  readonly key: string;
  readonly orderId: string;
  /** Hash of the request. */
  readonly fingerprint: string;
}

/** Keys deleted in one statement: a delete of any number would hold its locks and its WAL for as long. */
const PRUNE_BATCH = 5_000;

/** Remembers which order an `Idempotency-Key` stands for. */
@Injectable()
export class IdempotencyKeysRepository {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Ties keys to orders; the first claim of a key wins. A concurrent transaction with one of the keys waits here until
   * the first ends.
   * @returns what each key stands for, from now on or since earlier
   */
  async claim(tx: EntityManager, claims: readonly KeyClaim[]): Promise<Map<string, KeyClaim>> {
    const wanted = new Map<string, KeyClaim>();
    for (const claim of claims) if (!wanted.has(claim.key)) wanted.set(claim.key, claim);
    const fresh = await this.write(tx, [...wanted.values()]);
    const taken = [...wanted.keys()].filter((key) => !fresh.has(key));
    for (const earlier of await this.find(tx, taken)) wanted.set(earlier.key, earlier);
    return wanted;
  }

  /**
   * Forgets keys older than `ageMs`. Those that a claim has locked are left for later: to wait for one while holding others
   * would deadlock with a claim of several.
   * @returns how many; call again while there are any
   */
  async prune(ageMs: number): Promise<number> {
    const [, deleted]: [unknown, number] = await this.dataSource.query(
      `WITH old AS (
         SELECT key FROM idempotency_keys WHERE created_at < now() - $1 * interval '1 millisecond'
         ORDER BY created_at LIMIT ${PRUNE_BATCH} FOR UPDATE SKIP LOCKED)
       DELETE FROM idempotency_keys AS k USING old WHERE k.key = old.key`,
      [ageMs],
    );
    return deleted;
  }

  /**
   * Locks those that are there as well, all in one order: a key skipped here could be forgotten at once, and written after
   * later ones it would deadlock with another group.
   * @returns the keys that were free
   */
  private async write(tx: EntityManager, claims: readonly KeyClaim[]): Promise<ReadonlySet<string>> {
    const written: { key: string }[] = await tx.query(
      `INSERT INTO idempotency_keys (key, fingerprint, order_id)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS new (key, fingerprint, order_id)
       ORDER BY key COLLATE "C" ON CONFLICT (key) DO UPDATE SET key = EXCLUDED.key WHERE false RETURNING key`,
      [
        claims.map(({ key }) => key),
        claims.map(({ fingerprint }) => fingerprint),
        claims.map(({ orderId }) => orderId),
      ],
    );
    return new Set(written.map(({ key }) => key));
  }

  private async find(tx: EntityManager, keys: readonly string[]): Promise<KeyClaim[]> {
    if (keys.length === 0) return [];
    return tx.query(
      'SELECT key, order_id AS "orderId", fingerprint FROM idempotency_keys WHERE key = ANY($1)',
      [keys],
    );
  }
}
