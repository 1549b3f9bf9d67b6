import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { redriveSubject } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { DeadLetterNotFoundError, NoRedriveConsumerError } from '@slipstream/operations';
import { ME, RedriveScene } from './redrive-scene.js';

/** Of so many times the client rounds about one to another millisecond. */
const CHUNK = 4_000;

describe('a redrive', () => {
  const scene = new RedriveScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  it('reaches the consumer that failed and no other, as the message it was', async () => {
    await scene.start(...scene.controllers());
    const id = await scene.failOnce();
    scene.isBroken = false;
    expect(await scene.redrives.redrive(id, ME)).toBe('done');
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(scene.seenBy('failing')).toBe(2);
    expect(scene.seenBy('healthy')).toBe(1);
    const [first, again] = scene.contexts;
    expect(again).toMatchObject({
      subject: first?.subject,
      stream: first?.stream,
      consumer: first?.consumer,
      sequence: first?.sequence,
      messageId: first?.messageId,
      timestamp: first?.timestamp,
      attempt: 1,
    });
    expect(again?.headers?.get('Nats-Msg-Id')).toBe('id-1');
    expect(again?.headers?.keys()).toEqual(['Nats-Msg-Id']);
    expect(await scene.server.count(`${scene.stream.name}_DLQ`)).toBe(0);
  });

  it('is recorded with who and why', async () => {
    await scene.start(...scene.controllers());
    await scene.redrives.redrive(await scene.failOnce(), ME);
    const [record] = await scene.server.records(scene.stream.name);
    expect(record?.header('operation-by')).toBe('ann');
    expect(record?.header('operation-reason')).toBe('fixed');
    expect(Date.parse(record?.header('operation-at') ?? '')).not.toBeNaN();
  });

  it('has one effect when several operators send it at the same time', async () => {
    await scene.start(...scene.controllers());
    const id = await scene.failOnce();
    scene.isBroken = false;
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => scene.redrives.redrive(id, ME)));
    expect(results.filter((result) => result.status === 'fulfilled' && result.value === 'done')).toHaveLength(
      1,
    );
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(failures.every((failure) => failure instanceof DeadLetterNotFoundError)).toBe(true);
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(scene.seenBy('failing')).toBe(2);
  });

  it('has one effect when the process died between sending and removing', async () => {
    await scene.start(...scene.controllers());
    const id = await scene.failOnce();
    scene.isBroken = false;
    const { position, storedAtMs, body, headers } = await scene.letters.get(id);
    // What the process had sent before it died, and somebody handled meanwhile.
    const operationId = `${position.sequence}-${storedAtMs}`;
    await scene.server.manager
      .jetstream()
      .publish(redriveSubject(scene.stream.name, 'failing', operationId), body, { headers });
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(await scene.redrives.redrive(id, ME)).toBe('already');
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(scene.seenBy('failing')).toBe(2);
    expect(await scene.server.count(`${scene.stream.name}_DLQ`)).toBe(0);
  });

  it('is not found when it is repeated after it was done', async () => {
    await scene.start(...scene.controllers());
    const id = await scene.failOnce();
    await scene.redrives.redrive(id, ME);
    await expect(scene.redrives.redrive(id, ME)).rejects.toThrow(DeadLetterNotFoundError);
    const gone = expect.stringContaining('redriven or discarded before');
    await expect(scene.letters.show(id)).rejects.toMatchObject({ nextStep: gone });
    const neverThere = expect.stringContaining('There never was one');
    await expect(scene.letters.show(`${id}9`)).rejects.toMatchObject({ nextStep: neverThere });
  });

  it('that fails again is another dead letter, which can be redriven again', async () => {
    await scene.start(...scene.controllers());
    const id = await scene.failOnce();
    await scene.redrives.redrive(id, ME);
    await scene.server.redriven(scene.stream.name, 'failing');
    const [again] = (await scene.letters.list({ stream: scene.stream.name }, { limit: 10 })).letters;
    expect(again).toMatchObject({
      consumer: 'failing',
      sequence: 1,
      stream: scene.stream.name,
      subject: scene.stream.subject('a'),
    });
    expect(again?.id).not.toBe(id);
    scene.isBroken = false;
    expect(await scene.redrives.redrive(again?.id ?? '', ME)).toBe('done');
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(scene.seenBy('failing')).toBe(3);
    expect(await scene.server.count(`${scene.stream.name}_DLQ`)).toBe(0);
  });

  it('waits for the service while none runs', async () => {
    await scene.start(...scene.controllers());
    const id = await scene.failOnce();
    await scene.stop();
    scene.isBroken = false;
    await scene.redrives.redrive(id, ME);
    await scene.start(...scene.controllers());
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(scene.seenBy('failing')).toBe(2);
  });

  it('of all takes those that are there, and only those that match', async () => {
    await scene.start(...scene.controllers());
    for (let index = 0; index < 250; index++)
      await scene.server.publish(scene.stream.subject('a'), `"${index}"`);
    await scene.server.deadLetters(scene.stream.name, 250);
    expect(
      await scene.redrives.redriveAll({ stream: scene.stream.name, consumer: 'other' }, ME),
    ).toMatchObject({
      done: 0,
    });
    scene.isBroken = false;
    const result = await scene.redrives.redriveAll(
      { stream: scene.stream.name, errorClass: 'TerminalError' },
      ME,
    );
    expect(result).toEqual({ done: 250, already: 0, failures: [] });
    await scene.server.redriven(scene.stream.name, 'failing');
    expect(scene.seenBy('failing')).toBe(500);
    expect(await scene.server.count(`${scene.stream.name}_DLQ`)).toBe(0);
  });

  it('is refused when no service would ever take it', async () => {
    await scene.start(...scene.controllers());
    const id = await scene.failOnce();
    await scene.server.manager.consumers
      .delete('OPERATIONS', `${scene.stream.name}__failing`)
      .catch(() => false);
    await scene.stop();
    await scene.server.manager.consumers
      .delete('OPERATIONS', `${scene.stream.name}__failing`)
      .catch(() => false);
    await expect(scene.redrives.redrive(id, ME)).rejects.toThrow(NoRedriveConsumerError);
    expect(await scene.server.count(`${scene.stream.name}_DLQ`)).toBe(1);
  });

  it('that is discarded instead is kept with who and why, and reaches nobody', async () => {
    await scene.start(...scene.controllers());
    const id = await scene.failOnce();
    scene.isBroken = false;
    expect(await scene.redrives.discard(id, { by: 'ann', reason: 'test data' })).toBe('done');
    await expect(scene.redrives.redrive(id, ME)).rejects.toThrow(DeadLetterNotFoundError);
    const [record, ...others] = await scene.server.records(scene.stream.name);
    expect(record?.subject).toContain(`operations.discard.${scene.stream.name}.failing.`);
    expect(record?.header('operation-reason')).toBe('test data');
    expect(record?.header('original-nats-msg-id')).toBe('id-1');
    expect(others).toEqual([]);
    expect(scene.seenBy('failing')).toBe(1);
    await waitFor(
      'the letter to be gone',
      async () => (await scene.server.count(`${scene.stream.name}_DLQ`)) === 0,
    );
  });

  it('of one and of all find each other done whenever a dead letter was stored, even just before a full millisecond', async () => {
    await scene.start();
    const sequence = await storeBeforeFullMillisecond();
    const { storedAtMs } = await scene.letters.get(`${scene.stream.name}:${sequence}`);
    const times: number[] = [];
    for await (const stored of scene.letters.read({ stream: scene.stream.name })) {
      if (stored.position.sequence === sequence) times.push(stored.storedAtMs);
    }
    expect(times).toEqual([storedAtMs]);
  });

  /** Stores dead letters until the client rounds the time of one to the next millisecond. Returns its sequence. */
  async function storeBeforeFullMillisecond(): Promise<number> {
    const { nc, manager } = scene.server;
    const consumer = await manager.jetstream().consumers.get(`${scene.stream.name}_DLQ`);
    for (;;) {
      for (let n = 0; n < CHUNK; n++) nc.publish(scene.stream.deadLetterSubject);
      await nc.flush();
      for await (const message of await consumer.fetch({ max_messages: CHUNK })) {
        if (message.time.getTime() > Number(message.timestampNanos / 1_000_000n)) return message.seq;
      }
    }
  }
});
