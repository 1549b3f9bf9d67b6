import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { JetStreamConnection, StreamIndex, type StreamSearch } from '@slipstream/jetstream';
import { natsUrl, uniqueName } from '@slipstream/testing';

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
    const acks = Array.from({ length: MESSAGES }, (_, at) =>
      connection.client.publish(subject, undefined, { msgID: idOf(at) }),
    );
    await Promise.all(acks);
  });

  afterEach(async () => {
    const manager = await connection.manager();
    await manager.streams.delete(subject.toUpperCase());
    await connection.onApplicationShutdown();
  });

  const idOf = (at: number) => `${subject}-${at}`;
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
    expect(found.position?.nextSequence).toBe(position?.nextSequence);
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
      { ...position, ahead, nextSequence: MESSAGES + 2 },
    ];
    for (const from of others) {
      expect(await search([5, MESSAGES], { from })).toMatchObject({ missing: [idOf(MESSAGES)] });
    }
    expect(await search([MESSAGES], { from: { ...position, ahead } })).toMatchObject({ missing: [] });
  });
});
