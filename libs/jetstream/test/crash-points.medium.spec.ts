import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, spawnTypeScript, uniqueName, waitFor } from '@slipstream/testing';
import type { RunningScript, TestDatabase } from '@slipstream/testing';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Bystander, testStream, type TestStream } from './harness.js';

const APP = fileURLToPath(new URL('fixtures/charging-app.ts', import.meta.url));
const MAX_DELIVER = 3;
/** Starts beyond that before a message counts as one that kills its process. */
const CRASH_ALLOWANCE = 3;
/** A window of a millisecond is not hit by one kill. */
const RUNS = process.env.FAULT_TIER === 'nightly' ? 100 : 1;

/** Everything between the arrival of a message and its ack. */
const ON_THE_WAY_TO_THE_ACK = [
  'jetstream.after-receive',
  'jetstream.before-handler',
  'handler.entered',
  'handler.before-commit',
  'handler.after-commit',
  'jetstream.after-handler',
  'jetstream.before-ack',
  'jetstream.before-acks-sent',
  'jetstream.after-acks-queued',
];

/** Of a message that fails at every attempt: its first two attempts, then its last. */
const ON_THE_WAY_TO_THE_DEAD_LETTERS = [
  'jetstream.after-attempt-recorded:1',
  'jetstream.before-nak:1',
  'jetstream.before-count:1',
  'jetstream.after-count:1',
  `handler.entered:${MAX_DELIVER}`,
  `jetstream.after-handler:${MAX_DELIVER}`,
  'jetstream.before-dead-letter:1',
  'jetstream.after-dead-letter:1',
  'jetstream.before-acks-sent:1',
];

const everyRun = (points: readonly string[]) => points.flatMap((point) => Array<string>(RUNS).fill(point));

describe('a process killed', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;
  let database: TestDatabase;
  let client: pg.Client;
  let directory: string;
  let running: RunningScript | undefined;

  function start(fault = ''): RunningScript {
    running = spawnTypeScript(APP, {
      STREAM: stream.name,
      DURABLE: durable,
      DATABASE: database.url,
      FAULT: fault,
      FAULT_LOG: join(directory, 'faults'),
    });
    return running;
  }

  /** Starts it with the fault, publishes, waits for its death, starts it again and waits until all is settled. */
  async function crashAndRecover(fault: string, body: string): Promise<void> {
    const doomed = start(fault);
    await waitFor('the consumer', () => bystander.consumer(stream.name, durable));
    await bystander.publish(stream.subject('a'), body);
    expect({ ended: await doomed.ended, output: doomed.output() }).toMatchObject({ ended: 'SIGKILL' });
    expect(await readFile(join(directory, 'faults'), 'utf8')).toContain(` ${fault}\n`);
    start();
    await waitFor('the settlement', isSettled);
  }

  async function isSettled(): Promise<boolean> {
    const { ack_floor, num_ack_pending } = await bystander.consumer(stream.name, durable);
    return ack_floor.stream_seq === 1 && num_ack_pending === 0;
  }

  const charges = async () => (await client.query('SELECT * FROM charges')).rowCount;
  const letters = () => bystander.messages(`${stream.name}_DLQ`);

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    bystander = await Bystander.connect();
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(
      'CREATE TABLE inbox (message_id text PRIMARY KEY); CREATE TABLE charges (message_id text)',
    );
    directory = await mkdtemp(join(tmpdir(), 'crash-points-'));
  });

  afterEach(async () => {
    running?.kill('SIGKILL');
    await running?.ended;
    await client.end();
    await database.drop();
    await bystander.close();
    await rm(directory, { recursive: true });
  });

  it.each(everyRun(ON_THE_WAY_TO_THE_ACK))('at %s has charged once in the end', async (point) => {
    await crashAndRecover(`${point}:1:kill9`, '"accepted"');
    expect(await charges()).toBe(1);
    expect(await letters()).toEqual([]);
  });

  it.each(everyRun(ON_THE_WAY_TO_THE_DEAD_LETTERS))(
    'at %s leaves one dead letter of a message that fails at every attempt',
    async (hit) => {
      await crashAndRecover(`${hit}:kill9`, '"refused"');
      expect((await letters()).map((letter) => letter.header('dead-letter-message'))).toEqual(['refused']);
      expect(await charges()).toBe(0);
    },
  );

  it.each(everyRun(['handler.entered']))(
    'at %s of every attempt leaves one dead letter, and is not started again for it',
    async (point) => {
      const fault = `${point}:1:kill9`;
      let process = start(fault);
      await waitFor('the consumer', () => bystander.consumer(stream.name, durable));
      await bystander.publish(stream.subject('a'), '"accepted"');
      for (let attempt = 1; attempt <= MAX_DELIVER + CRASH_ALLOWANCE; attempt++) {
        expect({ ended: await process.ended, output: process.output() }).toMatchObject({ ended: 'SIGKILL' });
        process = start(fault);
      }
      await waitFor('the settlement', isSettled);
      expect((await letters()).map((letter) => letter.header('dead-letter-code'))).toEqual(['JS_CRASH_LOOP']);
      expect(await charges()).toBe(0);
    },
    60_000,
  );
});
