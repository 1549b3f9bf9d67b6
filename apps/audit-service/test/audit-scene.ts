import { inboxMigrations, PostgresInbox } from '@slipstream/idempotency';
import { JetStreamConnection, JetStreamPublisher } from '@slipstream/jetstream';
import { createTestDatabase, natsUrl, uniqueName, type TestDatabase } from '@slipstream/testing';
import { generateKeyPairSync } from 'node:crypto';
import { DataSource } from 'typeorm';
import { AuditLog } from '../src/audit-log.js';
import { recorderOf, type RecordedMessage } from '../src/audit-record.js';
import { AuditVerifier } from '../src/audit-verifier.js';
import { ChainHeads } from '../src/chain-heads.js';
import { CreateAuditSegments1763900000002 } from '../src/migrations/create-audit-segments.js';
import { SignAuditSegments1764000000001 } from '../src/migrations/sign-audit-segments.js';
import { IndexRecovery } from '../src/index-recovery.js';
import { NatsSegmentStore } from '../src/nats.segment-store.js';
import { chainRecord, GENESIS } from '../src/record-chain.js';
import type { SegmentStore } from '../src/segment-store.js';
import { SegmentsRepository, type ChainEnd } from '../src/segments.repository.js';

/** What the audit log is made of, on a database of its own, and a stream of each test's own to record. */
export class AuditScene {
  dataSource: DataSource;
  connection: JetStreamConnection;
  publisher: JetStreamPublisher;
  heads: ChainHeads;
  segments: SegmentsRepository;
  store: NatsSegmentStore;
  stream: string;
  /** Of the service. */
  readonly key = generateKeyPairSync('ed25519').privateKey;
  private database: TestDatabase;

  /** Before all tests. */
  async open(): Promise<void> {
    this.database = await createTestDatabase();
    this.dataSource = await new DataSource({
      type: 'postgres',
      url: this.database.url,
      parseInt8: true,
      migrations: [...inboxMigrations, CreateAuditSegments1763900000002, SignAuditSegments1764000000001],
      migrationsRun: true,
    }).initialize();
    this.connection = await JetStreamConnection.open({ servers: natsUrl() }, 1);
    this.publisher = new JetStreamPublisher(this.connection, {
      settled: () => undefined,
      published: () => undefined,
    });
    this.heads = await this.openHeads(this.publisher, this.key);
    this.segments = new SegmentsRepository(this.dataSource);
    this.store = new NatsSegmentStore(this.connection, { replicas: 1 });
  }

  /** Before each test. */
  set(): void {
    this.stream = uniqueName('A').toUpperCase();
  }

  /** Connections that give a lock up after 100 ms. */
  openImpatient(): Promise<DataSource> {
    const extra = { options: '-c lock_timeout=100' };
    return new DataSource({ type: 'postgres', url: this.database.url, extra }).initialize();
  }

  /** After all tests. */
  async close(): Promise<void> {
    await this.dataSource.destroy();
    await this.database.drop();
    await this.connection.onApplicationShutdown();
  }

  /** Heads signed with a key of their own, unless one is given. */
  openHeads(
    publisher: Pick<JetStreamPublisher, 'publish'> = this.publisher,
    key = generateKeyPairSync('ed25519').privateKey,
  ): Promise<ChainHeads> {
    return ChainHeads.open(this.connection, publisher, { key, replicas: 1 });
  }

  newLog(store: SegmentStore = this.store, heads = this.heads, dataSource = this.dataSource): AuditLog {
    const inbox = new PostgresInbox(dataSource);
    const recovery = new IndexRecovery(inbox, this.segments, store, heads);
    return new AuditLog(inbox, this.segments, store, heads, recovery);
  }

  /** Adds a segment without a signature and without its head, which was committed so long ago. */
  async addUnsigned(age: string): Promise<ChainEnd> {
    const { stream } = this;
    const before = (await this.segments.ends()).find((end) => end.stream === stream);
    const [number, records] = [(before?.segments ?? 0) + 1, (before?.records ?? 0) + 1];
    const previous = before?.chain ?? GENESIS;
    const { line, hash: chain } = chainRecord({ body: 'unsigned' }, { number: records, previous });
    const object = await this.store.write(`${stream}/unsigned-${number}`, Buffer.from(line));
    await this.dataSource.query(
      `INSERT INTO audit_segments (stream, number, object, first_record, records, bytes, chain, created_at)
       VALUES ($1, $2, $3, $4, 1, $5, $6, now() - $7::interval)`,
      [stream, number, object, records, line.length, chain, age],
    );
    return { stream, segments: number, records, chain };
  }

  message(sequence: number, overrides: Partial<RecordedMessage> = {}): RecordedMessage {
    return {
      stream: this.stream,
      consumer: recorderOf(this.stream),
      sequence,
      subject: 'orders.created.v1',
      timestamp: new Date(1_700_000_000_000 + sequence),
      messageId: `m-${sequence}`,
      isRedelivered: false,
      headers: undefined,
      data: Buffer.from(`{"n":${sequence}}`),
      ...overrides,
    };
  }

  messages(from: number, to: number): RecordedMessage[] {
    return Array.from({ length: to - from + 1 }, (_, index) => this.message(from + index));
  }

  /** What the verifier finds about the stream. */
  async problems(store: SegmentStore = this.store) {
    const result = await new AuditVerifier(this.segments, store, this.heads).verify();
    return result.problems.filter(({ stream }) => stream === this.stream);
  }
}
