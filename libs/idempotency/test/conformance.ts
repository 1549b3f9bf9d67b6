import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  MessageConflictError,
  type IdempotencyObserver,
  type Inbox,
  type MessageIdentity,
} from '@slipstream/idempotency';
import { uniqueName } from '@slipstream/testing';

/** What a suite needs to know of an inbox to hold it to the port. */
export interface InboxUnderTest {
  /** An inbox as another process would have it: of the same store, sharing nothing else. */
  open(observer?: IdempotencyObserver): Inbox<unknown>;
  close(): Promise<void>;
}

export interface Alarms extends IdempotencyObserver {
  fresh: number;
  duplicates: number;
  readonly conflicts: string[];
  readonly takeovers: string[];
}

export function recordingObserver(): Alarms {
  const alarms: Alarms = {
    fresh: 0,
    duplicates: 0,
    conflicts: [],
    takeovers: [],
    claimed: (_, { fresh, duplicates }) => {
      alarms.fresh += fresh;
      alarms.duplicates += duplicates;
    },
    conflicted: ({ messageId }) => void alarms.conflicts.push(messageId),
    tookOver: ({ messageId }) => void alarms.takeovers.push(messageId),
  };
  return alarms;
}

export const body = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What every inbox must do, whatever it remembers with. */
export function itIsAnInbox(name: string, setup: () => Promise<InboxUnderTest>): void {
  describe(`inbox in ${name}`, () => {
    let subject: InboxUnderTest;
    let inbox: Inbox<unknown>;
    let consumer: string;
    let runs: string[];

    const message = (messageId: string, parts: Partial<MessageIdentity> = {}): MessageIdentity => ({
      consumer,
      messageId,
      subject: 'orders.created.v1',
      data: body(`body of ${messageId}`),
      ...parts,
    });
    const run = (process: Inbox<unknown>, ...messages: MessageIdentity[]) =>
      process.onceEach(messages, (_, fresh) => {
        runs.push(...fresh);
        return Promise.resolve();
      });

    beforeAll(async () => {
      subject = await setup();
      inbox = subject.open();
    });

    beforeEach(() => {
      consumer = uniqueName('c');
      runs = [];
    });

    afterAll(() => subject.close());

    it('runs an effect once however often the message comes', async () => {
      const effect = () => Promise.resolve(void runs.push('m'));
      expect(await inbox.once(message('m'), effect)).toBe(true);
      expect(await inbox.once(message('m'), effect)).toBe(false);
      expect(await subject.open().once(message('m'), effect)).toBe(false);
      expect(runs).toEqual(['m']);
    });

    it('runs an effect once when sixteen processes have the message at the same time', async () => {
      const processes = Array.from({ length: 16 }, () => subject.open());
      const outcomes = await Promise.all(
        processes.map((process) => process.once(message('m'), () => Promise.resolve(void runs.push('m')))),
      );
      expect(outcomes.filter(Boolean)).toHaveLength(1);
      expect(runs).toEqual(['m']);
    });

    it('runs each message once when batches that overlap race in different orders', async () => {
      const ids = Array.from({ length: 30 }, (_, index) => `m${index}`);
      const batches = Array.from({ length: 6 }, (_, index) => ids.slice(index * 4, index * 4 + 10));
      await Promise.all(
        batches.map((batch, index) => {
          const ordered = index % 2 ? batch.toReversed() : batch;
          return run(subject.open(), ...ordered.map((id) => message(id)));
        }),
      );
      expect(runs.toSorted()).toEqual(ids.toSorted());
    });

    it('counts for each consumer apart', async () => {
      await run(inbox, message('m'));
      expect(await run(inbox, message('m', { consumer: `${consumer}2` }))).toEqual(new Set(['m']));
    });

    it('forgets a message whose effect failed', async () => {
      const failing = () => Promise.reject(new Error('the effect failed'));
      await expect(inbox.once(message('m'), failing)).rejects.toThrow('the effect failed');
      expect(await run(inbox, message('m'))).toEqual(new Set(['m']));
    });

    it('gives a message to the process that waits for it when the first one fails', async () => {
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const { promise: claimed, resolve: onClaimed } = Promise.withResolvers<void>();
      const first = inbox.once(message('m'), async () => {
        onClaimed();
        await gate;
        throw new Error('the effect failed');
      });
      await claimed;
      const second = run(subject.open(), message('m'));
      open();
      await expect(first).rejects.toThrow('the effect failed');
      expect(await second).toEqual(new Set(['m']));
      expect(runs).toEqual(['m']);
    });

    it('names the messages of a batch that are new, each once', async () => {
      await run(inbox, message('known'));
      expect(await run(inbox, message('new'), message('known'), message('new'))).toEqual(new Set(['new']));
      expect(runs).toEqual(['known', 'new']);
    });

    it('runs no effect when nothing of a batch is new, or when the batch is empty', async () => {
      await run(inbox, message('m'));
      const neverRun = () => Promise.reject(new Error('was run'));
      expect(await inbox.onceEach([message('m')], neverRun)).toEqual(new Set());
      expect(await inbox.onceEach([], neverRun)).toEqual(new Set());
    });

    it.each([
      "o'clock",
      'a b',
      'a.b',
      '*',
      '>',
      '"\\"',
      '{a,b}',
      'NULL',
      '=bQ',
      'ünïcode ✓',
      'x'.repeat(300),
    ])('takes any text for an id, such as %s', async (id) => {
      expect(await run(inbox, message(id), message(`${id}2`))).toEqual(new Set([id, `${id}2`]));
      expect(await run(inbox, message(id), message(`${id}2`))).toEqual(new Set());
    });

    it('takes an event on another subject for a duplicate, whatever its body: it is another version', async () => {
      await run(inbox, message('m'));
      const other = message('m', { subject: 'orders.created.v2', data: body('in the other version') });
      expect(await run(inbox, other)).toEqual(new Set());
    });

    it('raises the alarm when an id comes again on its subject with another body', async () => {
      const alarms = recordingObserver();
      const observed = subject.open(alarms);
      await run(observed, message('m'));
      const other = message('m', { data: body('another body') });
      await expect(run(observed, other)).rejects.toThrow(MessageConflictError);
      expect(alarms.conflicts).toEqual(['m']);
      expect(runs).toEqual(['m']);
    });

    it('does nothing for a batch in which one id contradicts, and leaves its neighbours to be tried again', async () => {
      await run(inbox, message('m'));
      const [before, after] = [message('before'), message('after')];
      const other = message('m', { data: body('another body') });
      await expect(run(inbox, before, other, after)).rejects.toThrow(MessageConflictError);
      expect(runs).toEqual(['m']);
      expect(await run(subject.open(), before, after)).toEqual(new Set(['before', 'after']));
    });

    it('raises the alarm when a batch contradicts itself', async () => {
      const other = message('m', { data: body('another body') });
      await expect(run(inbox, message('m'), other)).rejects.toThrow(MessageConflictError);
      expect(runs).toEqual([]);
    });

    it('cannot tell another body where no bytes were given, and takes the message for a duplicate', async () => {
      await run(inbox, { consumer, messageId: 'm' });
      expect(await run(inbox, message('m'))).toEqual(new Set());
    });

    it('tells an observer what was new and what was not', async () => {
      const alarms = recordingObserver();
      await run(subject.open(alarms), message('a'), message('b'));
      await run(subject.open(alarms), message('b'), message('c'));
      expect(alarms).toMatchObject({ fresh: 3, duplicates: 1, conflicts: [], takeovers: [] });
    });
  });
}
