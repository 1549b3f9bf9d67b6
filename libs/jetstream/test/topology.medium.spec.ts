import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  AckPolicy,
  DeliverPolicy,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { Controller, Logger } from '@nestjs/common';
import {
  applyTopology,
  declareTopology,
  EventPattern,
  planTopology,
  TopologyMismatchError,
  type StreamLimits,
  type TopologyDeclaration,
} from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestStream } from './harness.js';

const HOUR_MS = 3_600_000;

describe('the declared topology', () => {
  let stream: TestStream;
  let bystander: Bystander;
  let manager: JetStreamManager;

  function controller(ackWaitMs = 30_000, ...subjects: string[]) {
    @Controller()
    class Declared {
      @EventPattern((subjects.length > 0 ? subjects : ['a']).map(stream.subject), {
        durable: 'declared',
        ackWaitMs,
      })
      on(): void {}
    }
    return Declared;
  }

  function declaration(
    limits: StreamLimits = {},
    controllers = [controller()],
    replicas = 1,
  ): TopologyDeclaration {
    const { streams, consumers } = declareTopology([{ name: 'test', controllers }], [stream], {
      replicas,
      limits,
      apiLevel: 0,
    });
    // Streams of the library are shared with other tests.
    return {
      streams: streams.filter(({ name }) => name.startsWith(stream.name)),
      consumers: consumers.filter((consumer) => consumer.stream === stream.name),
    };
  }

  async function changes(wanted: TopologyDeclaration) {
    const planned = await planTopology(manager, wanted);
    return planned.map(({ class: changeClass, field, action }) => [changeClass, field ?? action]);
  }

  const apply = (wanted: TopologyDeclaration) => applyTopology(manager, wanted);
  const migrate = (wanted: TopologyDeclaration) => applyTopology(manager, wanted, { migrates: true });

  async function existing(config: Partial<StreamConfig> = {}): Promise<void> {
    const [settings] = declaration().streams;
    if (settings) await manager.streams.add({ ...settings, ...config });
    await apply(declaration());
  }

  async function actual(): Promise<StreamConfig> {
    return (await manager.streams.info(stream.name)).config;
  }

  async function filters(durable = 'declared'): Promise<string[] | undefined> {
    return (await bystander.consumer(stream.name, durable)).config.filter_subjects;
  }

  beforeEach(async () => {
    stream = testStream();
    bystander = await Bystander.connect();
    manager = await jetstreamManager(bystander.nc);
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await bystander.close();
  });

  it('is created where nothing is, and then nothing is left to do', async () => {
    const planned = await planTopology(manager, declaration());
    expect(planned.map((change) => change.description)).toEqual([
      `stream ${stream.name} is created for ${stream.subjects.join()}`,
      `stream ${stream.name}_DLQ is created for ${stream.deadLetterSubject}`,
      `consumer declared is created on ${stream.name} for ${stream.subject('a')}`,
    ]);
    await apply(declaration());
    expect(await planTopology(manager, declaration())).toEqual([]);
  });

  it('names the redrive consumer of every durable and the sweeper', () => {
    const all = declareTopology([{ name: 'test', controllers: [controller()] }], [stream], {
      replicas: 1,
      apiLevel: 2,
    });
    expect(all.consumers.map((consumer) => `${consumer.stream}/${consumer.config.durable_name}`)).toEqual([
      `${stream.name}/declared`,
      `OPERATIONS/${stream.name}__declared`,
      `ADVISORIES/advisory-sweeper-${stream.name}`,
    ]);
    expect(all.streams.find(({ name }) => name === stream.name)?.allow_atomic).toBe(true);
  });

  it('adds a subject and keeps those of others', async () => {
    const foreign = `${stream.name.toLowerCase()}.foreign`;
    await existing({ subjects: [foreign] });
    expect((await actual()).subjects).toEqual([foreign, ...stream.subjects]);
    expect(await changes(declaration())).toEqual([['refused', 'subjects']]);
    await migrate(declaration());
    expect((await actual()).subjects).toContain(foreign);
  });

  it('refuses a subject that overlaps with one the stream holds', async () => {
    const held = `${stream.name.toLowerCase()}.*.x`;
    await manager.streams.add({ name: stream.name, subjects: [held] });
    const planned = await planTopology(manager, declaration());
    expect(planned[0]?.description).toContain(`overlaps with ${held}`);
    await migrate(declaration());
    expect((await actual()).subjects).toEqual([held]);
  });

  it('raises limits at once', async () => {
    await existing({ max_age: nanos(HOUR_MS), max_bytes: 1_000_000 });
    // To unlimited.
    expect(await changes(declaration())).toEqual([]);
    const [settings] = declaration().streams;
    expect((await actual()).max_age).toBe(settings?.max_age);
  });

  it('lowers a limit only when asked for, and only while that deletes nothing', async () => {
    await existing();
    const limited = declaration({ maxAgeMs: 24 * HOUR_MS, maxBytes: 10_000_000 });
    expect(await changes(limited)).toEqual([
      ['needs-migration', 'max_age'],
      ['needs-migration', 'max_bytes'],
    ]);
    await apply(limited);
    expect((await actual()).max_bytes).toBe(-1);
    await migrate(limited);
    expect((await actual()).max_bytes).toBe(10_000_000);
    expect(await changes(limited)).toEqual([]);
  });

  it('never lowers a limit below what the stream holds', async () => {
    await existing();
    await bystander.publish(stream.subject('a'), 'x'.repeat(2_000));
    const tight = declaration({ maxAgeMs: 100, maxBytes: 1_000 });
    const refusals = async () => (await changes(tight)).filter(([changeClass]) => changeClass === 'refused');
    expect(
      await waitFor('the message to be older', async () => {
        const found = await refusals();
        return found.length > 1 && found;
      }),
    ).toEqual([
      ['refused', 'max_age'],
      ['refused', 'max_bytes'],
    ]);
    await migrate(tight);
    expect(await actual()).toMatchObject({ max_bytes: -1, max_age: 0 });
  });

  it('never changes storage or retention', async () => {
    await existing({ storage: StorageType.Memory, retention: RetentionPolicy.Interest });
    expect(await changes(declaration())).toEqual([
      ['refused', 'storage'],
      ['refused', 'retention'],
    ]);
    await migrate(declaration());
    expect((await actual()).storage).toBe(StorageType.Memory);
  });

  it('asks before it weakens replicas and the duplicate window', async () => {
    await existing({ duplicate_window: nanos(HOUR_MS) });
    expect(await changes(declaration())).toEqual([['needs-migration', 'duplicate_window']]);
    await migrate(declaration());
    expect(await changes(declaration())).toEqual([]);
    expect(await changes(declaration({}, [controller()], 3))).toContainEqual(['safe', 'num_replicas']);
  });

  it('brings a consumer up to date, and refuses what the server fixed when it created it', async () => {
    await existing();
    const other = declaration({}, [controller(60_000, 'a', 'b')]);
    expect(await changes(other)).toEqual([
      ['safe', 'ack_wait'],
      ['safe', 'filter_subjects'],
    ]);
    await apply(other);
    expect(await changes(other)).toEqual([]);
    await manager.consumers.delete(stream.name, 'declared');
    await manager.consumers.add(stream.name, {
      durable_name: 'declared',
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.New,
    });
    expect(await changes(declaration())).toContainEqual(['refused', 'deliver_policy']);
  });

  it('has a consumer read more at once, and less only when asked for', async () => {
    await existing();
    const other = declaration({}, [controller(30_000, 'b')]);
    expect(await changes(other)).toEqual([
      ['safe', 'filter_subjects'],
      ['needs-migration', 'filter_subjects'],
    ]);
    await apply(other);
    expect(await filters()).toEqual(['a', 'b'].map(stream.subject));
    expect(await changes(other)).toEqual([['needs-migration', 'filter_subjects']]);
    await migrate(other);
    expect(await filters()).toEqual([stream.subject('b')]);
    expect(await changes(other)).toEqual([]);
  });

  it('leaves a consumer what it reads when an older version starts, which warns of it', async () => {
    const warnings = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const newer = await startTestApp(stream, [controller(30_000, 'a', 'b')]);
    expect(warnings).not.toHaveBeenCalled();
    const older = await startTestApp(stream, [controller(40_000, 'a')]);
    expect(await filters()).toEqual(['a', 'b'].map(stream.subject));
    expect((await bystander.consumer(stream.name, 'declared')).config.ack_wait).toBe(nanos(40_000));
    expect(warnings.mock.calls).toEqual([
      [
        { stream: stream.name, consumer: 'declared', subjects: [stream.subject('b')] },
        expect.stringContaining('streams apply --migrate'),
      ],
    ]);
    await Promise.all([newer, older].map(({ app }) => app.close()));
  });

  it('leaves every partition what it reads, and warns once', async () => {
    const ordered = (...subjects: string[]) => {
      @Controller()
      class Ordered {
        @EventPattern(subjects.map(stream.subject), {
          durable: 'ordered',
          orderBy: ({ subject }) => subject,
          partitions: 2,
        })
        on(): void {}
      }
      return Ordered;
    };
    const warnings = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const newer = await startTestApp(stream, [ordered('a', 'b')]);
    const older = await startTestApp(stream, [ordered('a')]);
    for (const partition of ['ordered-p0', 'ordered-p1']) {
      expect(await filters(partition)).toEqual(['a', 'b'].map(stream.subject));
    }
    expect(warnings).toHaveBeenCalledTimes(1);
    await Promise.all([newer, older].map(({ app }) => app.close()));
  });

  it('lets no start exchange a filter for one that overlaps with it', async () => {
    await apply(declaration({}, [controller(30_000, '*.x')]));
    const other = controller(30_000, 'x.*');
    await expect(startTestApp(stream, [other])).rejects.toThrow(TopologyMismatchError);
    expect(await filters()).toEqual([stream.subject('*.x')]);
    await migrate(declaration({}, [other]));
    expect(await filters()).toEqual([stream.subject('x.*')]);
  });

  it('stops a start whose durable cannot become the declared one', async () => {
    await existing();
    await manager.consumers.delete(stream.name, 'declared');
    await manager.consumers.add(stream.name, {
      durable_name: 'declared',
      ack_policy: AckPolicy.None,
      filter_subject: stream.subject('a'),
    });
    await expect(startTestApp(stream, [controller()])).rejects.toThrow(TopologyMismatchError);
  });

  it('is the same after services with different declarations started at once', async () => {
    const started = await Promise.all([
      startTestApp(stream, [controller(30_000)]),
      startTestApp(stream, [controller(40_000)]),
      startTestApp(stream, [controller(30_000)]),
    ]);
    const { config } = await bystander.consumer(stream.name, 'declared');
    expect([nanos(30_000), nanos(40_000)]).toContain(config.ack_wait);
    await Promise.all(started.map(({ app }) => app.close()));
  });
});
