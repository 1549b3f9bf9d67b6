import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { JetStreamConnection, StreamIndex, type StreamSearch } from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';

const MESSAGES = 2_500;
/** Long before the messages. */
const SINCE = new Date(0);

describe.each([
  ['by direct gets', true],
  ['through a consumer', false],
])('the index of a stream that is read %s', (_way, allow_direct) => {
  let connection: JetStreamConnection;
  let index: StreamIndex;
  let subject: string;

  beforeEach(async () => {
    connection = await JetStreamConnection.open({ servers: natsUrl() }, 1);
    index = new StreamIndex(connection);
    subject = uniqueName('index');
    const manager = await connection.manager();
    await manager.streams.add({ name: subject.toUpperCase(), subjects: [subject], allow_direct });
    await fill(idOf);
  });

  afterEach(async () => {
    const manager = await connection.manager();
    await manager.streams.delete(subject.toUpperCase());
    await connection.onApplicationShutdown();
  });

  const idOf = (at: number) => `${subject}-${at}`;
  const fill = (id: (at: number) => string) =>
    Promise.all(
      Array.from({ length: MESSAGES }, (_, at) =>
        connection.client.publish(subject, undefined, { msgID: id(at) }),
      ),
    );
  const search = (messages: readonly number[], rest: Partial<StreamSearch> = {}) =>
    index.search({ subject, messageIds: messages.map(idOf), since: SINCE, limit: 10_000, ...rest });

  it('tells what is not there once it has read to the end', async () => {
    const { missing, isComplete } = await search([3, MESSAGES, 2_400]);
    expect(missing).toEqual([idOf(MESSAGES)]);
    expect(isComplete).toBe(true);
  });

  it('goes on where an earlier search ended, and reads nothing twice', async () => {
    const { position } = await search([1_999]);
    expect(await search([2_400], { limit: 1_000 })).toMatchObject({
      missing: [idOf(2_400)],
      isComplete: false,
    });
    expect(await search([2_400], { limit: 1_000, ...(position && { from: position }) })).toMatchObject({
      missing: [],
      isComplete: true,
    });
  });

  it('knows what an earlier search has passed on its way', async () => {
    const { position } = await search([10]);
    const found = await search([11, 12, 900], { limit: 0, ...(position && { from: position }) });
    expect(found).toMatchObject({ missing: [], isComplete: true });
    expect(found.position?.last).toEqual(position?.last);
  });

  it('gives no position beyond more messages than it remembers, and finds what it looks for', async () => {
    const { position } = await search([10]);
    if (!position) throw new Error('there is no position');
    const ahead = new Set(Array.from({ length: 100_000 }, (_, at) => `other-${at}`));
    const found = await search([2_400], { from: { ...position, ahead } });
    expect(found).toMatchObject({ missing: [], isComplete: true });
    expect(found.position).toBeUndefined();
  });

  it('takes no position of another stream, of one that was created anew, or of one that lost its end', async () => {
    const { position } = await search([10]);
    if (!position) throw new Error('there is no position');
    const ahead = new Set([idOf(MESSAGES)]);
    const others = [
      { ...position, ahead, stream: 'ELSEWHERE' },
      { ...position, ahead, created: new Date().toISOString() },
      { ...position, ahead, last: { ...position.last, sequence: MESSAGES + 1 } },
    ];
    for (const from of others) {
      expect(await search([5, MESSAGES], { from })).toMatchObject({ missing: [idOf(MESSAGES)] });
    }
    expect(await search([MESSAGES], { from: { ...position, ahead } })).toMatchObject({ missing: [] });
  });

  it('takes no position whose last message is gone, with what was found on the way to it', async () => {
    const { position: from } = await search([10]);
    if (!from) throw new Error('there is no position');
    const last = from.last.sequence - 1;
    const manager = await connection.manager();
    await manager.streams.deleteMessage(subject.toUpperCase(), from.last.sequence);
    await connection.client.publish(subject, undefined, { msgID: idOf(MESSAGES) });
    expect((await search([20, last], { from })).missing).toEqual([idOf(last)]);
  });

  it('takes no position of a stream that lost its end and has stored others in its place', async () => {
    const { position } = await search([10]);
    const manager = await connection.manager();
    const name = subject.toUpperCase();
    await manager.streams.delete(name);
    const { created } = await manager.streams.add({ name, subjects: [subject], allow_direct });
    // As a server does that lost power: it still says when the stream was created.
    const from = position && { ...position, created };
    await fill((at) => (at < 500 ? idOf(at) : `other-${at}`));
    expect((await search([20, 900], { ...(from && { from }) })).missing).toEqual([idOf(900)]);
  });

  it('finds what was stored after the time asked for, and lets no position vouch for it', async () => {
    const { position: before } = await search([MESSAGES - 1]);
    const settledBefore = new Date((before?.last.storedAt ?? 0) + 1);
    await waitFor('the messages to lie before it', () => new Date() > settledBefore);
    for (const at of [MESSAGES, MESSAGES + 1]) {
      await connection.client.publish(subject, undefined, { msgID: idOf(at) });
    }
    const found = await search([10, MESSAGES], { settledBefore });
    expect(found).toMatchObject({ missing: [], unsettled: [idOf(MESSAGES)], isComplete: true });
    expect(found.position?.last).toEqual(before?.last);
    expect(found.position?.ahead.has(idOf(MESSAGES + 1))).toBe(false);
    expect(await search([10, MESSAGES])).toMatchObject({ missing: [], unsettled: [] });
  });
});
