import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import S3rver from '@20minutes/s3rver';
import { Objm } from '@nats-io/obj';
import { Logger } from '@nestjs/common';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditScene } from '../test/audit-scene.js';
import { CompressedSegmentStore } from './compressed.segment-store.js';
import { NatsSegmentStore } from './nats.segment-store.js';
import { chainRecord } from './record-chain.js';
import { S3SegmentStore } from './s3.segment-store.js';
import { numberOf, segmentName, type SegmentStore } from './segment-store.js';

/** All but the clock. */
const TIMERS = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

describe('the index of the audit log, when its database was put back to an earlier moment,', () => {
  const scene = new AuditScene();

  beforeAll(async () => {
    Logger.overrideLogger(false);
    await scene.open();
  });

  beforeEach(() => scene.set());

  afterEach(() => void jest.useRealTimers());

  afterAll(() => scene.close());

  /** Three segments of ten messages each. */
  const record = async (store: SegmentStore = scene.store) => {
    const log = scene.newLog(store);
    for (const first of [1, 11, 21]) await log.append(scene.messages(first, first + 9));
  };
  const remove = async (object: string) => {
    const [bucket = '', ...name] = object.split('/');
    await (await new Objm(scene.connection.client).open(bucket)).delete(name.join('/'));
  };
  const putBack = async (segments: number, { keepsMessages = false } = {}) => {
    await scene.dataSource.query('ALTER TABLE audit_segments DISABLE TRIGGER audit_segments_append_only');
    await scene.dataSource.query('DELETE FROM audit_segments WHERE stream = $1 AND number > $2', [
      scene.stream,
      segments,
    ]);
    await scene.dataSource.query('ALTER TABLE audit_segments ENABLE TRIGGER audit_segments_append_only');
    if (keepsMessages) return;
    await scene.dataSource.query(
      `DELETE FROM inbox WHERE split_part(message_id, ':', 1) = $1 AND split_part(message_id, ':', 2)::int > $2`,
      [scene.stream, segments * 10],
    );
  };
  const start = async (store: SegmentStore = scene.store) => {
    const log = scene.newLog(store);
    await log.onApplicationBootstrap();
    return log;
  };
  const end = () => scene.segments.endOf(scene.stream);
  /** A store that calls `before` each time it reads the second segment. */
  const storeThatMeets = (before: () => Promise<unknown>): NatsSegmentStore => {
    const store = new NatsSegmentStore(scene.connection, { replicas: 1 });
    const read = store.read.bind(store);
    jest.spyOn(store, 'read').mockImplementation(async (location) => {
      // Starts look into the logs of other tests, too.
      if (location.includes(`/${scene.stream}/`) && numberOf(location) === 2) await before();
      return read(location);
    });
    return store;
  };

  it.each([2, 1, 0])(
    'is brought back from the objects by the next start, from segment %i on',
    async (known) => {
      await record();
      const before = await scene.segments.listOf(scene.stream, 0, 10);
      await putBack(known);
      expect(await scene.problems()).toMatchObject([{ kind: 'truncated', segment: known + 1 }]);
      await start();
      const after = await scene.segments.listOf(scene.stream, 0, 10);
      const anew = { id: expect.anything(), createdAt: expect.anything() };
      expect(after).toEqual(before.map((segment) => ({ ...segment, ...anew })));
      expect(await scene.problems()).toEqual([]);
    },
  );

  it('knows what is delivered once more, and goes on to be signed', async () => {
    await record();
    await putBack(1);
    const log = await start();
    await log.append(scene.messages(5, 35));
    expect(await end()).toMatchObject({ segments: 4, records: 35 });
    expect((await scene.heads.latest(scene.stream))?.head).toMatchObject({ segments: 4, records: 35 });
    expect(await scene.problems()).toEqual([]);
  });

  it('passes over an object that a crash left before its segment was committed', async () => {
    await record();
    const [first] = await scene.segments.listOf(scene.stream, 0, 1);
    const { line } = chainRecord({ body: 'left' }, { number: 11, previous: first?.chain ?? '' });
    await scene.store.write(segmentName(scene.stream, 2), Buffer.from(line));
    await scene.store.write(segmentName(scene.stream, 3), Buffer.from('no record\n'));
    await putBack(1);
    await start();
    expect(await end()).toMatchObject({ segments: 3, records: 30 });
    expect(await scene.problems()).toEqual([]);
  });

  it('stays as it is when an object is gone, and the alarm with it', async () => {
    await record();
    const object = (await scene.segments.listOf(scene.stream, 1, 1))[0]?.object ?? '';
    await remove(object);
    await putBack(1);
    const log = await start();
    expect(await end()).toMatchObject({ segments: 1 });
    await log.append(scene.messages(31, 40));
    expect((await scene.heads.latest(scene.stream))?.head).toMatchObject({ segments: 3 });
    expect(await scene.problems()).not.toEqual([]);
  });

  it('stays as it is when something else was recorded since, and the alarm with it', async () => {
    await record();
    await putBack(1);
    await scene.newLog().append(scene.messages(31, 40));
    await start();
    expect(await end()).toMatchObject({ segments: 2, records: 20, signature: '' });
    expect(await scene.problems()).not.toEqual([]);
  });

  it('takes no message for recorded whose segment it could not bring back, because another one was recorded meanwhile', async () => {
    await record();
    await putBack(1);
    let isMet = false;
    await start(
      storeThatMeets(async () => {
        if (!isMet) await scene.newLog().append(scene.messages(31, 40));
        isMet = true;
      }),
    );
    expect(await end()).toMatchObject({ segments: 2, records: 20 });
    await scene.newLog().append(scene.messages(11, 30));
    expect(await end()).toMatchObject({ segments: 3, records: 40, signature: '' });
    expect(await scene.problems()).not.toEqual([]);
  });

  it('stays as it is when the database still knows the messages: it was not put back, but cut off', async () => {
    await record();
    await putBack(1, { keepsMessages: true });
    await start();
    expect(await end()).toMatchObject({ segments: 1 });
    expect(await scene.problems()).toMatchObject([{ kind: 'truncated', segment: 2 }]);
  });

  it('is brought back as far as objects are there, and the alarm says from where on they are not', async () => {
    await record();
    const object = (await scene.segments.listOf(scene.stream, 2, 1))[0]?.object ?? '';
    await remove(object);
    await putBack(0);
    await start();
    expect(await end()).toMatchObject({ segments: 2 });
    expect(await scene.problems()).toMatchObject([{ kind: 'truncated', segment: 3 }]);
  });

  it('is brought back once by processes that start at the same time', async () => {
    await record();
    await putBack(0);
    await Promise.all([start(), start(), start()]);
    expect(await scene.segments.listOf(scene.stream, 0, 10)).toHaveLength(3);
    expect(await scene.problems()).toEqual([]);
  });

  it('is brought back from buckets of several days', async () => {
    const on = (day: string) => jest.setSystemTime(new Date(day));
    const store = () => new NatsSegmentStore(scene.connection, { replicas: 1 });
    jest.useFakeTimers({ doNotFake: [...TIMERS] });
    on('2021-03-04T23:59:59Z');
    await scene.newLog(store()).append(scene.messages(1, 10));
    on('2021-03-06T00:00:01Z');
    await scene.newLog(store()).append(scene.messages(11, 20));
    await putBack(0);
    on('2021-03-08T12:00:00Z');
    await start(store());
    expect(await end()).toMatchObject({ segments: 2, records: 20 });
  });

  it('is brought back from buckets of several days by the second start when the first was interrupted', async () => {
    jest.useFakeTimers({ doNotFake: [...TIMERS] });
    for (const [index, day] of ['2021-04-04', '2021-04-08', '2021-04-12'].entries()) {
      jest.setSystemTime(new Date(day));
      const store = new NatsSegmentStore(scene.connection, { replicas: 1 });
      await scene.newLog(store).append(scene.messages(index * 10 + 1, index * 10 + 10));
    }
    await putBack(0);
    jest.setSystemTime(new Date('2021-04-20'));
    const dying = storeThatMeets(() => Promise.reject(new Error('the process died')));
    await expect(start(dying)).rejects.toThrow('the process died');
    expect(await end()).toMatchObject({ segments: 1 });
    await start();
    expect(await end()).toMatchObject({ segments: 3, records: 30 });
    expect(await scene.problems()).toEqual([]);
  });

  it('is brought back from an S3 bucket', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'slipstream-s3-'));
    const server = new S3rver({
      port: 0,
      address: '127.0.0.1',
      silent: true,
      allowMismatchedSignatures: true,
      directory,
      configureBuckets: [{ name: 'audit' }],
    });
    const { port } = await server.run();
    const s3 = new S3SegmentStore({
      bucket: 'audit',
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
      retentionDays: 30,
    });
    const store = new CompressedSegmentStore(s3);
    await record(store);
    await putBack(1);
    await start(store);
    expect(await end()).toMatchObject({ segments: 3, records: 30 });
    expect(await scene.problems(store)).toEqual([]);
    s3.close();
    await server.close();
    await rm(directory, { recursive: true });
  });
});
