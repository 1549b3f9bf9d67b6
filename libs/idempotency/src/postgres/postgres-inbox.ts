import { failpoint } from '@slipstream/failpoints';
import { DataSource, QueryFailedError, type EntityManager } from 'typeorm';
import { MessageTooOldError, TransactionTooLongError } from '../errors.js';
import { conflict, isConflict, keysOf, type Key } from '../fingerprint.js';
import type { Inbox, MessageIdentity } from '../inbox.js';
import { SILENT, type IdempotencyObserver } from '../observer.js';
import { OVERLAP_MS, type ClaimPlan } from './claim-plan.js';
import { claimQuery, storedQuery, type Claim, type ClaimRow } from './claim-query.js';
import { DuplicateForecast } from './duplicate-forecast.js';
import { InboxPartitions, type InboxPartitionsOptions } from './inbox-partitions.js';

export interface PostgresInboxOptions extends InboxPartitionsOptions {
  readonly observer?: IdempotencyObserver;
}

const TRANSACTION_ATTEMPTS = 5;
const PLAN_ATTEMPTS = 5;
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
const UNIQUE_VIOLATION = '23505';
/** Half of the overlap, so that the commit itself has time too. */
const LONGEST_TRANSACTION_MS = OVERLAP_MS / 2;

/**
 * Remembers in the service's own database which messages a consumer has dealt with. The key is written in the
 * transaction of the effect: both are there or neither is.
 */
export class PostgresInbox implements Inbox<EntityManager> {
  readonly guarantee = 'exactly-once';
  readonly partitions: InboxPartitions;
  private readonly observer: IdempotencyObserver;
  private readonly forecast = new DuplicateForecast();

  constructor(
    private readonly dataSource: DataSource,
    { observer = SILENT, ...partitions }: PostgresInboxOptions = {},
  ) {
    this.observer = observer;
    this.partitions = new InboxPartitions(dataSource, partitions);
  }

  async once(message: MessageIdentity, effect: (tx: EntityManager) => Promise<void>): Promise<boolean> {
    const fresh = await this.onceEach([message], effect);
    return fresh.size > 0;
  }

  /**
   * Deadlocks and serialization failures are repeated at once; they are not the messages' fault. So is a claim that met a
   * duplicate it did not reckon with.
   */
  async onceEach(
    messages: readonly MessageIdentity[],
    effect: (tx: EntityManager, fresh: ReadonlySet<string>) => Promise<void>,
  ): Promise<ReadonlySet<string>> {
    const [first] = messages;
    if (!first) return new Set();
    const keys = keysOf(messages, this.observer);
    for (let attempt = 1; ; attempt++) {
      const onDuplicate = this.forecast.expects(messages) ? 'tell' : 'fail';
      try {
        const fresh = await this.transact({ consumer: first.consumer, keys, onDuplicate }, effect);
        failpoint('inbox.committed');
        this.report(first.consumer, messages.length, fresh);
        return fresh;
      } catch (error) {
        if (error instanceof UnforeseenDuplicate) this.forecast.met(first.consumer);
        if (attempt === TRANSACTION_ATTEMPTS || !isTransient(error)) throw error;
      }
    }
  }

  private async transact(
    claim: Claim,
    effect: (tx: EntityManager, fresh: ReadonlySet<string>) => Promise<void>,
  ): Promise<ReadonlySet<string>> {
    return this.dataSource.transaction(async (tx) => {
      const startedAt = performance.now();
      const fresh = await this.claimKeys(tx, claim);
      failpoint('inbox.claimed');
      if (fresh.size > 0) await effect(tx, fresh);
      failpoint('inbox.before-commit');
      const tookMs = performance.now() - startedAt;
      if (tookMs > LONGEST_TRANSACTION_MS) {
        throw new TransactionTooLongError(
          `the transaction of "${claim.consumer}" took ${Math.round(tookMs / 1_000)} s and was rolled back`,
        );
      }
      return fresh;
    });
  }

  /**
   * A claim that races another process waits until that one commits (duplicate) or rolls back (ours). A plan that the
   * database's clock contradicts writes nothing and is made anew.
   */
  private async claimKeys(tx: EntityManager, claim: Claim): Promise<Set<string>> {
    const { consumer, keys } = claim;
    let plan = await this.partitions.current(tx);
    for (let attempt = 1; ; attempt++) {
      const rows = await this.writeKeys(tx, plan, claim);
      if (!rows.some(({ outcome }) => outcome === 'unplanned')) {
        const fresh = await this.judge(tx, consumer, keys, rows);
        await this.refuseForgotten(tx, consumer, keys, fresh);
        return fresh;
      }
      if (attempt === PLAN_ATTEMPTS) throw new Error('the clock of the database is not steady');
      plan = await this.partitions.reload(tx);
    }
  }

  private async writeKeys(tx: EntityManager, plan: ClaimPlan, claim: Claim): Promise<ClaimRow[]> {
    const { text, parameters } = claimQuery(plan, claim, this.partitions.clock?.());
    try {
      return await tx.query(text, parameters);
    } catch (error) {
      // By its own class: a violation by the effect is the effect's.
      if (!hasCode(error, UNIQUE_VIOLATION)) throw error;
      throw new UnforeseenDuplicate(`"${claim.consumer}" has dealt with one of the messages`, {
        cause: error,
      });
    }
  }

  private async judge(
    tx: EntityManager,
    consumer: string,
    keys: readonly Key[],
    rows: readonly ClaimRow[],
  ): Promise<Set<string>> {
    if (rows[0]?.outcome === 'all-fresh') return new Set(keys.map(({ messageId }) => messageId));
    const fresh = new Set<string>();
    const stored = new Map<string | null, string | null>();
    for (const { message_id: id, outcome, fingerprint } of rows) {
      if (id !== null && outcome === 'fresh') fresh.add(id);
      else stored.set(id, fingerprint);
    }
    // Committed by another process while the claim waited for it, and not visible to the claim's own snapshot.
    const unseen = keys.filter(({ messageId }) => !fresh.has(messageId) && !stored.has(messageId));
    for (const row of unseen.length > 0 ? await this.readStored(tx, consumer, unseen) : []) {
      stored.set(row.message_id, row.fingerprint);
    }
    for (const { messageId, fingerprint } of keys) {
      if (fresh.has(messageId) || !isConflict(stored.get(messageId) ?? undefined, fingerprint)) continue;
      throw conflict({ consumer, messageId }, this.observer);
    }
    return fresh;
  }

  /** After the claim: a partition that is there now was there when the claim searched. */
  private async refuseForgotten(
    tx: EntityManager,
    consumer: string,
    keys: readonly Key[],
    fresh: ReadonlySet<string>,
  ): Promise<void> {
    const old = keys.filter((key) => this.partitions.isExpired(key.storedAt) && fresh.has(key.messageId));
    if (old.length === 0) return;
    const keptSince = await this.partitions.keptSince(tx);
    const forgotten = keptSince && old.find(({ storedAt }) => storedAt < keptSince.getTime());
    if (forgotten) throw new MessageTooOldError(consumer, forgotten.messageId, keptSince);
  }

  private readStored(tx: EntityManager, consumer: string, keys: readonly Key[]): Promise<ClaimRow[]> {
    return tx.query(storedQuery, [consumer, keys.map(({ messageId }) => messageId)]);
  }

  private report(consumer: string, messages: number, { size: fresh }: ReadonlySet<string>): void {
    const duplicates = messages - fresh;
    if (duplicates > 0) this.forecast.met(consumer);
    this.observer.claimed(consumer, { fresh, duplicates });
  }
}

class UnforeseenDuplicate extends Error {}

function isTransient(error: unknown): boolean {
  return error instanceof UnforeseenDuplicate || hasCode(error, SERIALIZATION_FAILURE, DEADLOCK_DETECTED);
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  // A statement that was sent past the data source, as the outbox sends its own, fails with the driver's error.
  const cause: unknown = error instanceof QueryFailedError ? error.driverError : error;
  const { code } = (cause ?? {}) as { code?: unknown };
  return codes.some((one) => one === code);
}
