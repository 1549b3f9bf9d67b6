import { describe, expect, it, jest } from '@jest/globals';
import { MemoryInbox, MemoryReservations } from './memory-inbox.js';

const message = (messageId: string) => ({ consumer: 'c', messageId });
const done = () => Promise.resolve();

describe('inbox in memory', () => {
  it('forgets a message when its time is over, and not before', async () => {
    let now = 0;
    const inbox = new MemoryInbox({ retentionMs: 1_000, clock: () => now });
    await inbox.once(message('m'), done);
    now = 999;
    expect(await inbox.once(message('m'), done)).toBe(false);
    now = 1_000;
    expect(await inbox.once(message('m'), done)).toBe(true);
  });

  it('lets no lease end because the clock of the machine is put ahead', async () => {
    const clock = jest.spyOn(Date, 'now');
    try {
      const store = new MemoryReservations();
      const keys = [{ messageId: 'm', fingerprint: undefined, storedAt: 0 }];
      await store.reserve('c', keys, 30_000);
      clock.mockReturnValue(Date.now() + 60_000);
      expect(await store.reserve('c', keys, 30_000)).toMatchObject([{ state: 'held' }]);
    } finally {
      clock.mockRestore();
    }
  });

  it('forgets the oldest message that is done when it is full', async () => {
    const inbox = new MemoryInbox({ maxMessages: 2 });
    for (const id of ['a', 'b', 'c']) await inbox.once(message(id), done);
    expect(await inbox.once(message('c'), done)).toBe(false);
    expect(await inbox.once(message('b'), done)).toBe(false);
    expect(await inbox.once(message('a'), done)).toBe(true);
  });

  it('never forgets a message that is being worked on, and refuses what it has no room for', async () => {
    const inbox = new MemoryInbox({ maxMessages: 1 });
    await inbox.once(message('a'), async () => {
      await expect(inbox.once(message('b'), done)).rejects.toThrow('all 1 messages');
    });
    expect(await inbox.once(message('b'), done)).toBe(true);
  });
});
