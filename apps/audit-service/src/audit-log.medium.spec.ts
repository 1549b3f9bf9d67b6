import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import S3rver from '@20minutes/s3rver';
import { MessageConflictError } from '@slipstream/idempotency';
import { JetStreamConnection, OutageError } from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';
import { Objm } from '@nats-io/obj';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditScene } from '../test/audit-scene.js';
import { bytesOf, placeOf } from './audit-record.js';
import { AuditVerifier } from './audit-verifier.js';
import { NatsSegmentStore } from './nats.segment-store.js';
import { GENESIS } from './record-chain.js';
import { S3SegmentStore } from './s3.segment-store.js';

describe('the audit log', () => {
  const scene = new AuditScene();

  beforeAll(async () => {
    Logger.overrideLogger(false);
    await scene.open();
  });

  beforeEach(() => scene.set());

  afterAll(() => scene.close());

  it('holds each message once, whoever records it how often', async () => {
    const logs = [scene.newLog(), scene.newLog()];
    await Promise.all([
      logs[0]?.append(scene.messages(1, 30)),
      logs[1]?.append(scene.messages(11, 40)),
      logs[0]?.append(scene.messages(21, 50)),
      logs[1]?.append([scene.message(7), scene.message(7), scene.message(51)]),
    ]);
    const [end] = (await scene.segments.ends()).filter((candidate) => candidate.stream === scene.stream);
    expect(end).toMatchObject({ records: 51 });
    expect(await scene.problems()).toEqual([]);
  });

  it.each([
    ['body', { data: Buffer.from('{"n":"forged"}') }],
    ['subject', { subject: 'orders.cancelled.v1' }],
  ])(
    'does not take a message for recorded that another was sent in the name of, with another %s',
    async (_, forged) => {
      const log = scene.newLog();
      await log.append([scene.message(1, forged)]);
      await expect(log.append([scene.message(1)])).rejects.toThrow(MessageConflictError);
    },
  );

  it('keeps bytes that are no text', async () => {
    await scene.newLog().append([scene.message(1, { data: Buffer.from([0xff, 0, 0xfe]) })]);
    const object = (await scene.segments.listOf(scene.stream, 0, 1))[0]?.object ?? '';
    const content = JSON.parse((await scene.store.read(object))?.toString() ?? '');
    expect(content).toMatchObject({ number: 1, bodyBase64: Buffer.from([0xff, 0, 0xfe]).toString('base64') });
  });

  it('keeps every byte of a text that begins with a byte order mark', async () => {
    const data = Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]);
    await scene.newLog().append([scene.message(1, { data })]);
    const object = (await scene.segments.listOf(scene.stream, 0, 1))[0]?.object ?? '';
    const content = JSON.parse((await scene.store.read(object))?.toString() ?? '');
    expect(Buffer.from(bytesOf(content))).toEqual(data);
  });

  it('skips no segment for who reads on behind the last id, in whatever order the logs of streams grow', async () => {
    const slow = uniqueName('A').toUpperCase();
    const object = await scene.store.write(`${slow}/1`, Buffer.from('\n'));
    const committing = scene.dataSource.createQueryRunner();
    await committing.startTransaction();
    await scene.segments.add(committing.manager, {
      stream: slow,
      number: 1,
      object,
      firstRecord: 1,
      records: 1,
      bytes: 1,
      chain: GENESIS,
      signature: null,
    });
    let isAppended = false;
    const appending = scene
      .newLog()
      .append(scene.messages(1, 10))
      .then(() => (isAppended = true));
    await waitFor('the second segment, or for it to wait', async () => {
      const [{ count }] = await scene.dataSource.query(
        `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return isAppended || count > 0;
    });
    const before = await scene.segments.list(0, 1_000);
    await committing.commitTransaction();
    await committing.release();
    await appending;
    const after = await scene.segments.list(before.at(-1)?.id ?? 0, 1_000);
    const streams = [...before, ...after].map(({ stream }) => stream);
    expect(streams).toEqual(expect.arrayContaining([slow, scene.stream]));
  });

  it('is whole when two processes published their heads in another order than they committed', async () => {
    const late = Promise.withResolvers<void>();
    const publishing = Promise.withResolvers<void>();
    const { publisher } = scene;
    const heads = await scene.openHeads({
      publish: async (message) => {
        if (message.messageId?.startsWith(`${scene.stream}:1:`)) {
          publishing.resolve();
          await late.promise;
        }
        return publisher.publish(message);
      },
    });
    const first = scene.newLog(scene.store, heads).append(scene.messages(1, 10));
    await publishing.promise;
    await scene.newLog(scene.store, heads).append(scene.messages(11, 20));
    late.resolve();
    await first;
    const { problems } = await new AuditVerifier(scene.segments, scene.store, heads).verify();
    expect(problems.filter(({ stream }) => stream === scene.stream)).toEqual([]);
  });

  it('publishes the head that a crash kept back when it starts again', async () => {
    const silent = { publish: () => Promise.reject(new Error('the process died')) };
    const crashed = await scene.openHeads(silent, scene.key);
    await scene.newLog(scene.store, crashed).append(scene.messages(1, 5));
    expect(await scene.heads.latest(scene.stream)).toBeUndefined();
    await scene.newLog().onApplicationBootstrap();
    expect(await scene.heads.latest(scene.stream)).toMatchObject({
      isGenuine: true,
      head: { records: 5, segments: 1 },
    });
  });

  it('takes messages that another process keeps for long for an outage, which is no fault of theirs', async () => {
    const [message, impatient] = [scene.message(1), await scene.openImpatient()];
    const other = scene.dataSource.createQueryRunner();
    await other.startTransaction();
    await other.query('INSERT INTO inbox (consumer, message_id) VALUES ($1, $2)', [
      message.consumer,
      placeOf(message),
    ]);
    const log = scene.newLog(scene.store, scene.heads, impatient);
    await expect(log.append([message])).rejects.toThrow(OutageError);
    await other.rollbackTransaction();
    await log.append([message]);
    expect(await scene.segments.listOf(scene.stream, 0, 10)).toMatchObject([{ records: 1 }]);
    await Promise.all([other.release(), impatient.destroy()]);
  });

  it('tells a missing segment from a server that is away', async () => {
    expect(await scene.store.read('audit-nowhere/any.ndjson')).toBeUndefined();
    const other = await JetStreamConnection.open({ servers: natsUrl() }, 1);
    await other.nc.close();
    await expect(
      new NatsSegmentStore(other, { replicas: 1 }).read('audit-nowhere/any.ndjson'),
    ).rejects.toThrow(/closed/i);
  });

  it('seals the bucket of a day that is over, which then refuses changes', async () => {
    const days = ['2001-01-01', '2001-01-02'];
    const yesterday = new NatsSegmentStore(scene.connection, {
      replicas: 1,
      now: () => new Date(`${days[0]}T23:59:59Z`),
    });
    const today = new NatsSegmentStore(scene.connection, {
      replicas: 1,
      now: () => new Date(`${days[1]}T00:00:00Z`),
    });
    const name = `${scene.stream}/1.ndjson`;
    const location = await yesterday.write(name, Buffer.from('kept\n'));
    await today.write(name, Buffer.from('new\n'));
    await expect(async () => {
      for (;;) await yesterday.write(uniqueName('late'), Buffer.from('too late\n'));
    }).rejects.toThrow(/seal/i);
    expect((await today.read(location))?.toString()).toBe('kept\n');
    for (const day of days)
      await new Objm(scene.connection.client).open(`audit-${day}`).then((bucket) => bucket.destroy());
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
      await scene.newLog(s3).append(scene.messages(1, 10));
      await scene.newLog(s3).append(scene.messages(5, 20));
      expect(await scene.problems(s3)).toEqual([]);
    });

    it('locks every segment for as long as it must be kept', async () => {
      await s3.write(`${scene.stream}/locked.ndjson`, Buffer.from('kept\n'));
      const headers = requests.at(-1);
      expect(headers).toMatchObject({ 'x-amz-object-lock-mode': 'COMPLIANCE', 'if-none-match': '*' });
      const until = Date.parse(String(headers?.['x-amz-object-lock-retain-until-date']));
      expect(Math.round((until - Date.now()) / 86_400_000)).toBe(30);
    });

    it('refuses to store a segment under a name that is taken', async () => {
      const name = `${scene.stream}/twice.ndjson`;
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
      await expect(scene.newLog(waiting).append(scene.messages(1, 3))).rejects.toThrow(OutageError);
      expect(await scene.segments.listOf(scene.stream, 0, 10)).toEqual([]);
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
