import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { streams } from '@slipstream/contracts';
import { inboxMigrations, PostgresInbox } from '@slipstream/idempotency';
import {
  connectJetStream,
  JetStreamConnection,
  JetStreamModule,
  JetStreamPublisher,
} from '@slipstream/jetstream';
import { createTestDatabase, waitFor, type TestDatabase } from '@slipstream/testing';
import { generateKeyPairSync } from 'node:crypto';
import { DataSource } from 'typeorm';
import { startNatsServer, type TestNatsServer } from '../../../libs/jetstream/test/nats-server.js';
import { AuditLog } from './audit-log.js';
import { ChainHeads } from './chain-heads.js';
import { IndexRecovery } from './index-recovery.js';
import { CreateAuditSegments1763900000002 } from './migrations/create-audit-segments.js';
import { SignAuditSegments1764000000001 } from './migrations/sign-audit-segments.js';
import { RecordingController } from './recording.controller.js';
import { SegmentStore } from './segment-store.js';
import { SegmentsRepository } from './segments.repository.js';

const MESSAGES = 20;

/** A store that can be away. */
class FlakyStore extends SegmentStore {
  isAway = true;
  refused = 0;
  readonly objects = new Map<string, Buffer>();

  write(name: string, content: Buffer): Promise<string> {
    if (this.isAway) {
      this.refused++;
      return Promise.reject(new Error('connect ECONNREFUSED'));
    }
    this.objects.set(name, content);
    return Promise.resolve(name);
  }

  read(location: string): Promise<Buffer | undefined> {
    return Promise.resolve(this.objects.get(location));
  }

  list(): Promise<string[]> {
    return Promise.resolve([]);
  }
}

let database: TestDatabase;
let dataSource: DataSource;
let server: TestNatsServer;
let app: INestApplication;
let nc: NatsConnection;
const store = new FlakyStore();

beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await new DataSource({
    type: 'postgres',
    url: database.url,
    parseInt8: true,
    migrations: [...inboxMigrations, CreateAuditSegments1763900000002, SignAuditSegments1764000000001],
    migrationsRun: true,
  }).initialize();
  // The streams have fixed names, which other tests use too.
  server = await startNatsServer(process.env['NATS_SERVER_BIN'] ?? '');
  const transport = JetStreamModule.forRoot({
    service: 'audit-service',
    connection: { servers: server.url },
    streams,
    // One failed attempt would be the last one.
    handlers: { 'audit-orders': { maxDeliver: 1, batch: { size: 5, lingerMs: 5 } } },
  });
  const key = generateKeyPairSync('ed25519').privateKey;
  const module = await Test.createTestingModule({
    imports: [transport],
    controllers: [RecordingController],
    providers: [
      AuditLog,
      IndexRecovery,
      SegmentsRepository,
      { provide: DataSource, useValue: dataSource },
      { provide: PostgresInbox, useValue: new PostgresInbox(dataSource) },
      { provide: SegmentStore, useValue: store },
      {
        provide: ChainHeads,
        inject: [JetStreamConnection, JetStreamPublisher],
        useFactory: (connection: JetStreamConnection, publisher: JetStreamPublisher) =>
          ChainHeads.open(connection, publisher, { key, replicas: 1 }),
      },
    ],
  }).compile();
  app = module.createNestApplication(new FastifyAdapter(), { logger: ['fatal'] });
  connectJetStream(app);
  await app.init();
  await app.startAllMicroservices();
  nc = await connect({ servers: server.url });
});

afterAll(async () => {
  await nc.close();
  await app.close();
  await server.stop();
  await dataSource.destroy();
  await database.drop();
});

it('records every message once when the object store is back, however often it was tried, and dead-letters none', async () => {
  for (let index = 0; index < MESSAGES; index++) {
    await jetstream(nc).publish('orders.created.v1', `{"n":${index}}`);
  }
  await waitFor('several attempts', () => store.refused > 3);
  store.isAway = false;
  const lines = () => [...store.objects.values()].flatMap((segment) => segment.toString().trim().split('\n'));
  await waitFor('every message to be recorded', () => lines().length >= MESSAGES);
  const sequences = lines().map((line) => (JSON.parse(line) as { sequence: number }).sequence);
  expect(sequences.toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: MESSAGES }, (_, index) => index + 1),
  );
  const manager = await jetstreamManager(nc, { checkAPI: false });
  expect((await manager.streams.info('ORDERS_DLQ')).state.messages).toBe(0);
});
