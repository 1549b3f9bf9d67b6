import S3rver from '@20minutes/s3rver';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  EventEncoder,
  newEvent,
  orderConfirmedV1,
  orderCreatedV2,
  paymentCompletedV1,
} from '@slipstream/contracts';
import { PostgresInbox, inboxMigrations } from '@slipstream/idempotency';
import { JetStreamConnection, JetStreamPublisher, OutageError } from '@slipstream/jetstream';
import { createTestDatabase, natsUrl, uniqueName, type TestDatabase } from '@slipstream/testing';
import { Logger } from '@nestjs/common';
import { Objm } from '@nats-io/obj';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { AuditLog } from './audit-log.js';
import type { RecordedMessage } from './audit-record.js';
import { AuditVerifier } from './audit-verifier.js';
import { ChainHeads } from './chain-heads.js';
import { CreateAuditSegments1763900000002 } from './migrations/create-audit-segments.js';
import { NatsSegmentStore } from './nats.segment-store.js';
import { OrderReplay } from './order-replay.js';
import { chainRecord, GENESIS } from './record-chain.js';
import { S3SegmentStore } from './s3.segment-store.js';
import type { SegmentStore } from './segment-store.js';
import { SegmentsRepository } from './segments.repository.js';

const newKey = () => generateKeyPairSync('ed25519').privateKey;

describe('the audit log', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let connection: JetStreamConnection;
  let publisher: JetStreamPublisher;
  let heads: ChainHeads;
  let segments: SegmentsRepository;
  let store: NatsSegmentStore;
  let stream: string;

  const newLog = (kept: SegmentStore = store) =>
    new AuditLog(dataSource, new PostgresInbox(dataSource), segments, kept, heads);
  const message = (sequence: number, overrides: Partial<RecordedMessage> = {}): RecordedMessage => ({
    stream,
    consumer: `audit-${stream}`,
    sequence,
    subject: 'orders.created.v1',
    timestamp: new Date(1_700_000_000_000 + sequence),
    messageId: `m-${sequence}`,
    headers: undefined,
    data: Buffer.from(`{"n":${sequence}}`),
    ...overrides,
  });
  const messages = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => message(from + index));
  const problems = async (kept: SegmentStore = store) => {
    const result = await new AuditVerifier(segments, kept, heads).verify();
    return result.problems.filter((problem) => problem.stream === stream);
  };
  const firstHead = async () => {
    for await (const { head } of heads.all(stream)) return head;
    throw new Error('there is no head');
  };
  const tamperWithIndex = async (statement: string) => {
    await dataSource.query('ALTER TABLE audit_segments DISABLE TRIGGER audit_segments_append_only');
    await dataSource.query(statement, [stream]);
    await dataSource.query('ALTER TABLE audit_segments ENABLE TRIGGER audit_segments_append_only');
  };
  const tamperWithObject = async (number: number, change: (lines: string[]) => string[]) => {
    const object = (await segments.listOf(stream, number - 1, 1))[0]?.object ?? '';
    const content = (await store.read(object))?.toString() ?? '';
    const [bucket = '', ...name] = object.split('/');
    const lines = content.split('\n').slice(0, -1);
    const changed = change(lines).map((line) => `${line}\n`);
    const objects = await new Objm(connection.client).open(bucket);
    await objects.putBlob({ name: name.join('/') }, Buffer.from(changed.join('')));
  };

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await createTestDatabase();
    dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      parseInt8: true,
      migrations: [...inboxMigrations, CreateAuditSegments1763900000002],
      migrationsRun: true,
    }).initialize();
    connection = await JetStreamConnection.open({ servers: natsUrl() }, 1);
    publisher = new JetStreamPublisher(connection, { settled: () => undefined, published: () => undefined });
    heads = await ChainHeads.open(connection, publisher, { key: newKey(), replicas: 1 });
    segments = new SegmentsRepository(dataSource);
    store = new NatsSegmentStore(connection, { replicas: 1 });
  });

  beforeEach(() => {
    stream = uniqueName('A').toUpperCase();
  });

  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
    await connection.onApplicationShutdown();
  });

  it('holds each message once, whoever records it how often', async () => {
    const logs = [newLog(), newLog()];
    await Promise.all([
      logs[0]?.append(messages(1, 30)),
      logs[1]?.append(messages(11, 40)),
      logs[0]?.append(messages(21, 50)),
      logs[1]?.append([message(7), message(7), message(51)]),
    ]);
    const [end] = (await segments.ends()).filter((candidate) => candidate.stream === stream);
    expect(end).toMatchObject({ records: 51 });
    expect(await problems()).toEqual([]);
  });

  it('keeps bytes that are no text', async () => {
    await newLog().append([message(1, { data: Buffer.from([0xff, 0, 0xfe]) })]);
    const object = (await segments.listOf(stream, 0, 1))[0]?.object ?? '';
    const content = JSON.parse((await store.read(object))?.toString() ?? '');
    expect(content).toMatchObject({ number: 1, bodyBase64: Buffer.from([0xff, 0, 0xfe]).toString('base64') });
  });

  it('gives the final state of every order by the log alone', async () => {
    const base = { customerId: 'c-1', currency: 'EUR', totalMinor: 1_250, lines: [] };
    const [paid, doubtful] = [uniqueName('o'), uniqueName('o')];
    const encoder = new EventEncoder({
      source: 'test',
      publishes: [orderConfirmedV1, orderCreatedV2, paymentCompletedV1],
    });
    const events = [
      encoder.encode(orderConfirmedV1, newEvent(paid)),
      encoder.encode(orderCreatedV2, { ...newEvent(paid), ...base }),
      encoder.encode(orderCreatedV2, { ...newEvent(doubtful), ...base }),
      encoder.encode(orderConfirmedV1, newEvent(doubtful)),
      encoder.encode(paymentCompletedV1, {
        ...newEvent(paid),
        chargeId: 'ch-1',
        amountMinor: 1_250,
        currency: 'EUR',
      }),
    ];
    const recorded = events.map(({ subject, data }, index) => message(index + 1, { subject, data }));
    await newLog().append([...recorded, message(99, { data: Buffer.from('no order') })]);
    const orders = await new OrderReplay(segments, store).run();
    expect(orders).toContainEqual({
      orderId: paid,
      status: 'confirmed',
      customerId: 'c-1',
      currency: 'EUR',
      totalMinor: 1_250,
      contradiction: 'confirmed without a reservation',
    });
    expect(orders).toContainEqual(
      expect.objectContaining({ orderId: doubtful, contradiction: 'confirmed without a payment' }),
    );
  });

  describe('that somebody changed', () => {
    beforeEach(async () => {
      const log = newLog();
      await log.append(messages(1, 10));
      await log.append(messages(11, 20));
      await log.append(messages(21, 30));
    });

    it('shows the record that was changed', async () => {
      await tamperWithObject(2, (lines) =>
        lines.with(3, (lines[3] ?? '').replace('"sequence":14', '"sequence":15')),
      );
      expect(await problems()).toMatchObject([{ kind: 'changed', segment: 2, record: 14 }]);
    });

    it('shows the record that was removed', async () => {
      await tamperWithObject(2, (lines) => lines.toSpliced(4, 1));
      expect(await problems()).toMatchObject([{ kind: 'removed', segment: 2, record: 15 }]);
    });

    it('shows the records that were swapped', async () => {
      await tamperWithObject(1, (lines) => lines.with(1, lines[2] ?? '').with(2, lines[1] ?? ''));
      expect(await problems()).toMatchObject([{ kind: 'swapped', segment: 1, record: 2 }]);
    });

    it('shows a segment whose object is gone', async () => {
      const object = (await segments.listOf(stream, 1, 1))[0]?.object ?? '';
      const [bucket = '', ...name] = object.split('/');
      await (await new Objm(connection.client).open(bucket)).delete(name.join('/'));
      expect(await problems()).toMatchObject([{ kind: 'removed', segment: 2, record: 11 }]);
    });

    it('shows a segment that was taken out of the index', async () => {
      await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1 AND number = 2');
      expect((await problems())[0]).toMatchObject({ kind: 'removed', segment: 2, record: 11 });
    });

    it('shows that its newest segment was cut off', async () => {
      await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1 AND number = 3');
      expect(await problems()).toMatchObject([{ kind: 'truncated', segment: 3, record: 21 }]);
    });

    it.each([
      ['went on', () => newLog().append(messages(31, 40))],
      ['was started again', () => newLog().onApplicationBootstrap()],
      ['was told of an old end again', async () => heads.publish(await firstHead())],
    ])('shows that its newest segment was cut off, even after it %s', async (_, goOn) => {
      await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1 AND number = 3');
      await goOn();
      const kinds = (await problems()).map(({ kind }) => kind);
      expect(kinds.some((kind) => kind === 'truncated' || kind === 'rewritten')).toBe(true);
    });

    it('does not sign a log that was cut off', async () => {
      await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1 AND number = 3');
      const before = await heads.latest(stream);
      await newLog().append(messages(31, 40));
      await newLog().onApplicationBootstrap();
      expect(await heads.latest(stream)).toEqual(before);
    });

    it('shows that all of it was cut off', async () => {
      await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1');
      expect(await problems()).toMatchObject([{ kind: 'truncated', segment: 1, record: 1 }]);
    });

    it('shows that its end was written anew, chain and index included', async () => {
      let chain = (await segments.listOf(stream, 1, 1))[0]?.chain ?? GENESIS;
      await tamperWithObject(3, (lines) =>
        lines.map((_, index) => {
          const record = chainRecord({ body: 'forged' }, { number: 21 + index, previous: chain });
          chain = record.hash;
          return record.line.trimEnd();
        }),
      );
      await tamperWithIndex(`UPDATE audit_segments SET chain = '${chain}' WHERE stream = $1 AND number = 3`);
      expect(await problems()).toMatchObject([{ kind: 'rewritten', segment: 3 }]);
    });

    it('shows a head that somebody without the key published', async () => {
      const forger = await ChainHeads.open(connection, publisher, { key: newKey(), replicas: 1 });
      await forger.publish({ stream, segments: 1, records: 1, chain: GENESIS, at: new Date().toISOString() });
      expect(await problems()).toMatchObject([{ kind: 'forged' }]);
    });

    it('refuses changes of its index', async () => {
      const change = dataSource.query('DELETE FROM audit_segments WHERE stream = $1', [stream]);
      await expect(change).rejects.toThrow('append-only');
    });

    it('keeps no head from being removed', async () => {
      const manager = await connection.manager();
      await expect(manager.streams.purge('AUDIT_HEADS')).rejects.toThrow('purge');
      await expect(manager.streams.deleteMessage('AUDIT_HEADS', 1)).rejects.toThrow('delete');
    });
  });

  it('publishes the head that a crash kept back when it starts again', async () => {
    const silent = { publish: () => Promise.reject(new Error('the process died')) };
    const crashed = await ChainHeads.open(connection, silent, { key: newKey(), replicas: 1 });
    await new AuditLog(dataSource, new PostgresInbox(dataSource), segments, store, crashed).append(
      messages(1, 5),
    );
    expect(await heads.latest(stream)).toBeUndefined();
    await newLog().onApplicationBootstrap();
    expect(await heads.latest(stream)).toMatchObject({ isGenuine: true, head: { records: 5, segments: 1 } });
  });

  it('tells a missing segment from a server that is away', async () => {
    expect(await store.read('audit-nowhere/any.ndjson')).toBeUndefined();
    const other = await JetStreamConnection.open({ servers: natsUrl() }, 1);
    await other.nc.close();
    await expect(
      new NatsSegmentStore(other, { replicas: 1 }).read('audit-nowhere/any.ndjson'),
    ).rejects.toThrow(/closed/i);
  });

  it('seals the bucket of a day that is over, which then refuses changes', async () => {
    const days = ['2001-01-01', '2001-01-02'];
    const yesterday = new NatsSegmentStore(connection, {
      replicas: 1,
      now: () => new Date(`${days[0]}T23:59:59Z`),
    });
    const today = new NatsSegmentStore(connection, {
      replicas: 1,
      now: () => new Date(`${days[1]}T00:00:00Z`),
    });
    const name = `${stream}/1.ndjson`;
    const location = await yesterday.write(name, Buffer.from('kept\n'));
    await today.write(name, Buffer.from('new\n'));
    await expect(async () => {
      for (;;) await yesterday.write(uniqueName('late'), Buffer.from('too late\n'));
    }).rejects.toThrow(/seal/i);
    expect((await today.read(location))?.toString()).toBe('kept\n');
    for (const day of days)
      await new Objm(connection.client).open(`audit-${day}`).then((bucket) => bucket.destroy());
  });

  describe('in an S3 bucket', () => {
    let server: S3rver;
    let directory: string;
    let s3: S3SegmentStore;
    const requests: Record<string, string | string[] | undefined>[] = [];

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'slipstream-s3-'));
      server = new S3rver({
        port: 0,
        address: '127.0.0.1',
        silent: true,
        directory,
        configureBuckets: [{ name: 'audit' }],
      });
      // What the server does not do itself: it stores an object again that must not be there yet.
      server.middleware.unshift(async (context, next) => {
        if (context.method === 'PUT') requests.push(context.headers);
        const mustBeNew = context.method === 'PUT' && context.headers['if-none-match'] === '*';
        if (mustBeNew && stored.has(context.path)) context.status = 412;
        else await next();
        if (context.method === 'PUT') stored.add(context.path);
      });
      const { port } = await server.run();
      s3 = new S3SegmentStore({
        bucket: 'audit',
        region: 'us-east-1',
        endpoint: `http://127.0.0.1:${port}`,
        credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
        retentionDays: 30,
      });
    });
    const stored = new Set<string>();

    afterAll(async () => {
      s3.close();
      await server.close();
      await rm(directory, { recursive: true });
    });

    it('is verified like any other', async () => {
      await newLog(s3).append(messages(1, 10));
      await newLog(s3).append(messages(5, 20));
      expect(await problems(s3)).toEqual([]);
    });

    it('locks every segment for as long as it must be kept', async () => {
      await s3.write(`${stream}/locked.ndjson`, Buffer.from('kept\n'));
      const headers = requests.at(-1);
      expect(headers).toMatchObject({ 'x-amz-object-lock-mode': 'COMPLIANCE', 'if-none-match': '*' });
      const until = Date.parse(String(headers?.['x-amz-object-lock-retain-until-date']));
      expect(Math.round((until - Date.now()) / 86_400_000)).toBe(30);
    });

    it('refuses to store a segment under a name that is taken', async () => {
      const name = `${stream}/twice.ndjson`;
      await s3.write(name, Buffer.from('first\n'));
      await expect(s3.write(name, Buffer.from('second\n'))).rejects.toMatchObject({
        $metadata: { httpStatusCode: 412 },
      });
      expect((await s3.read(name))?.toString()).toBe('first\n');
    });

    it('gives up a server that says nothing', async () => {
      const silent = createServer(() => undefined);
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      const { port } = silent.address() as AddressInfo;
      const waiting = new S3SegmentStore({
        bucket: 'audit',
        region: 'us-east-1',
        endpoint: `http://127.0.0.1:${port}`,
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
        retentionDays: 1,
        timeoutMs: 100,
      });
      await expect(newLog(waiting).append(messages(1, 3))).rejects.toThrow(OutageError);
      expect(await segments.listOf(stream, 0, 10)).toEqual([]);
      waiting.close();
      silent.closeAllConnections();
      silent.close();
    });

    it('tells a missing segment from a server that is away', async () => {
      expect(await s3.read('nowhere.ndjson')).toBeUndefined();
      const away = new S3SegmentStore({
        bucket: 'audit',
        region: 'us-east-1',
        endpoint: 'http://127.0.0.1:1',
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
        retentionDays: 1,
      });
      await expect(away.read('any.ndjson')).rejects.toThrow('ECONNREFUSED');
      away.close();
    });
  });
});
