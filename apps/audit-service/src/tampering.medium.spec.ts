import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { Objm } from '@nats-io/obj';
import { OutageError } from '@slipstream/jetstream';
import { AuditScene } from '../test/audit-scene.js';
import { OrderReplay } from './order-replay.js';
import { chainRecord, GENESIS } from './record-chain.js';

describe('an audit log that somebody changed', () => {
  const scene = new AuditScene();

  beforeAll(async () => {
    Logger.overrideLogger(false);
    await scene.open();
  });

  beforeEach(async () => {
    scene.set();
    const log = scene.newLog();
    await log.append(scene.messages(1, 10));
    await log.append(scene.messages(11, 20));
    await log.append(scene.messages(21, 30));
  });

  afterEach(() => void jest.restoreAllMocks());

  afterAll(() => scene.close());

  const firstHead = async () => {
    for await (const { head } of scene.heads.all(scene.stream)) return head;
    throw new Error('there is no head');
  };
  const tamperWithIndex = async (statement: string) => {
    await scene.dataSource.query('ALTER TABLE audit_segments DISABLE TRIGGER audit_segments_append_only');
    await scene.dataSource.query(statement, [scene.stream]);
    await scene.dataSource.query('ALTER TABLE audit_segments ENABLE TRIGGER audit_segments_append_only');
  };
  const tamperWithObject = async (number: number, change: (lines: string[]) => string[]) => {
    const object = (await scene.segments.listOf(scene.stream, number - 1, 1))[0]?.object ?? '';
    const content = (await scene.store.read(object))?.toString() ?? '';
    const [bucket = '', ...name] = object.split('/');
    const lines = content.split('\n').slice(0, -1);
    const changed = change(lines).map((line) => `${line}\n`);
    const objects = await new Objm(scene.connection.client).open(bucket);
    await objects.putBlob({ name: name.join('/') }, Buffer.from(changed.join('')));
  };

  const hideSegment = async () => {
    const rest = 'stream, number, object, first_record, records, bytes, chain, created_at, signature';
    await tamperWithIndex(
      `WITH hidden AS (DELETE FROM audit_segments WHERE stream = $1 AND number = 2 RETURNING *)
       INSERT INTO audit_segments (id, ${rest}) OVERRIDING SYSTEM VALUE SELECT -id, ${rest} FROM hidden`,
    );
  };
  const forgeSegment = () => scene.addUnsigned('1 hour');

  it('shows the record that was changed', async () => {
    await tamperWithObject(2, (lines) =>
      lines.with(3, (lines[3] ?? '').replace('"sequence":14', '"sequence":15')),
    );
    expect(await scene.problems()).toMatchObject([{ kind: 'changed', segment: 2, record: 14 }]);
  });

  it('shows the record that was removed', async () => {
    await tamperWithObject(2, (lines) => lines.toSpliced(4, 1));
    expect(await scene.problems()).toMatchObject([{ kind: 'removed', segment: 2, record: 15 }]);
  });

  it('shows the records that were swapped', async () => {
    await tamperWithObject(1, (lines) => lines.with(1, lines[2] ?? '').with(2, lines[1] ?? ''));
    expect(await scene.problems()).toMatchObject([{ kind: 'swapped', segment: 1, record: 2 }]);
  });

  it('shows a segment whose object is gone', async () => {
    const object = (await scene.segments.listOf(scene.stream, 1, 1))[0]?.object ?? '';
    const [bucket = '', ...name] = object.split('/');
    await (await new Objm(scene.connection.client).open(bucket)).delete(name.join('/'));
    expect(await scene.problems()).toMatchObject([{ kind: 'removed', segment: 2, record: 11 }]);
    // What is left of it would tell states that orders never ended in.
    const replay = new OrderReplay(scene.segments, scene.store).run();
    await expect(replay).rejects.toThrow(`not whole: object ${object} is missing`);
  });

  it.each([
    ['finds nothing', undefined],
    ['answers with a part', Buffer.from('{"number":1')],
  ])('is told from a store that %s once', async (_, answer) => {
    const { store, stream } = scene;
    const answers = [answer];
    const read = store.read.bind(store);
    jest
      .spyOn(store, 'read')
      .mockImplementation(async (location) =>
        location.includes(`/${stream}/`) && answers.length > 0 ? answers.pop() : read(location),
      );
    expect(await scene.problems()).toEqual([]);
    expect(answers).toEqual([]);
  });

  it('shows a segment that was taken out of the index', async () => {
    await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1 AND number = 2');
    expect((await scene.problems())[0]).toMatchObject({ kind: 'removed', segment: 2, record: 11 });
  });

  it('shows a segment whose id was made one that no list of segments begins with', async () => {
    await hideSegment();
    expect(await scene.problems()).toMatchObject([{ kind: 'changed', segment: 2, record: 11 }]);
  });

  it('is replayed with a segment whose id was made one that no list of segments begins with', async () => {
    await hideSegment();
    const object = (await scene.segments.listOf(scene.stream, 1, 1))[0]?.object ?? '';
    // Logs of other tests have lost objects, at which a replay would end.
    const read = jest.spyOn(scene.store, 'read').mockResolvedValue(Buffer.from('\n'));
    await new OrderReplay(scene.segments, scene.store).run();
    expect(read).toHaveBeenCalledWith(object);
  });

  it('shows that its newest segment was cut off', async () => {
    await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1 AND number = 3');
    expect(await scene.problems()).toMatchObject([{ kind: 'truncated', segment: 3, record: 21 }]);
  });

  it.each([
    ['went on', () => scene.newLog().append(scene.messages(31, 40))],
    ['was started again', () => scene.newLog().onApplicationBootstrap()],
    ['was told of an old end again', async () => scene.heads.publish(await firstHead())],
  ])('shows that its newest segment was cut off, even after it %s', async (_, goOn) => {
    await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1 AND number = 3');
    await goOn();
    const kinds = (await scene.problems()).map(({ kind }) => kind);
    expect(kinds.some((kind) => kind === 'truncated' || kind === 'rewritten')).toBe(true);
  });

  it('is not called whole while the server tells of a part of its heads', async () => {
    await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1 AND number = 3');
    const manager = await scene.connection.manager();
    jest.spyOn(scene.connection, 'manager').mockResolvedValue(manager);
    const { streams } = manager;
    const ask = streams.getMessage.bind(streams);
    let heads = 0;
    // As a server does that cannot load a block of the stream: it says that nothing was found.
    jest.spyOn(streams, 'getMessage').mockImplementation(async (stream, query) => {
      const isOneOfHeads = 'next_by_subj' in query && String(query.next_by_subj).endsWith(scene.stream);
      return isOneOfHeads && heads++ > 1 ? null : ask(stream, query);
    });
    await expect(scene.problems()).rejects.toThrow(OutageError);
  });

  it('does not sign a log that was cut off', async () => {
    await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1 AND number = 3');
    const before = await scene.heads.latest(scene.stream);
    await scene.newLog().append(scene.messages(31, 40));
    await scene.newLog().onApplicationBootstrap();
    expect(await scene.heads.latest(scene.stream)).toEqual(before);
  });

  it('shows that all of it was cut off', async () => {
    await tamperWithIndex('DELETE FROM audit_segments WHERE stream = $1');
    expect(await scene.problems()).toMatchObject([{ kind: 'truncated', segment: 1, record: 1 }]);
  });

  it('shows that its end was written anew, chain and index included', async () => {
    let chain = (await scene.segments.listOf(scene.stream, 1, 1))[0]?.chain ?? GENESIS;
    await tamperWithObject(3, (lines) =>
      lines.map((_, index) => {
        const record = chainRecord({ body: 'forged' }, { number: 21 + index, previous: chain });
        chain = record.hash;
        return record.line.trimEnd();
      }),
    );
    await tamperWithIndex(`UPDATE audit_segments SET chain = '${chain}' WHERE stream = $1 AND number = 3`);
    expect(await scene.problems()).toMatchObject([{ kind: 'rewritten', segment: 3 }]);
  });

  it('shows a head that somebody without the key published', async () => {
    const forger = await scene.openHeads();
    await forger.publish({
      stream: scene.stream,
      segments: 1,
      records: 1,
      chain: GENESIS,
      at: new Date().toISOString(),
    });
    expect(await scene.problems()).toMatchObject([{ kind: 'forged' }]);
  });

  it('shows a segment that somebody without the key added, even after it went on and was started again', async () => {
    await forgeSegment();
    const forged = [{ kind: 'forged', segment: 4, record: 31 }];
    expect(await scene.problems()).toMatchObject(forged);
    await scene.newLog().append(scene.messages(31, 40));
    await scene.newLog().append(scene.messages(41, 50));
    await scene.newLog().onApplicationBootstrap();
    expect(await scene.problems()).toMatchObject(forged);
  });

  it('is signed on when the head of an unsigned segment, which an older release has just added, comes late', async () => {
    const log = scene.newLog();
    const end = await scene.addUnsigned('1 second');
    await expect(log.append(scene.messages(31, 40))).rejects.toThrow(OutageError);
    await scene.newLog().onApplicationBootstrap();
    await scene.heads.publish({ ...end, at: new Date().toISOString() });
    await log.append(scene.messages(31, 40));
    expect(await scene.heads.latest(scene.stream)).toMatchObject({ head: { segments: 5 } });
    expect(await scene.problems()).toEqual([]);
  });

  it('shows a log that somebody without the key began', async () => {
    scene.set();
    await forgeSegment();
    expect(await scene.problems()).toMatchObject([{ kind: 'forged', segment: 1, record: 1 }]);
  });

  it('refuses changes of its index', async () => {
    const change = scene.dataSource.query('DELETE FROM audit_segments WHERE stream = $1', [scene.stream]);
    await expect(change).rejects.toThrow('append-only');
  });

  it('keeps no head from being removed', async () => {
    const manager = await scene.connection.manager();
    await expect(manager.streams.purge('AUDIT_HEADS')).rejects.toThrow('purge');
    await expect(manager.streams.deleteMessage('AUDIT_HEADS', 1)).rejects.toThrow('delete');
  });
});
