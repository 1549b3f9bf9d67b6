import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BadRequestException } from '@nestjs/common';
import { TerminalError } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { HandlerScene } from './handler-scene.js';
import { publishRaw } from './harness.js';

describe('dead letters', () => {
  const scene = new HandlerScene();

  beforeEach(() => scene.set());

  afterEach(() => scene.clear());

  it('stores the bytes, headers and true error of a message that failed its last attempt, once', async () => {
    class StockError extends Error {
      readonly code = 'STOCK_GONE';
      override readonly name = 'StockError';
    }
    const { publisher, settled } = await scene.start(
      scene.handler('a', { maxDeliver: 2, backoffMs: [10] }, () => {
        throw new StockError('nothing left');
      }),
    );
    const headers = { 'x-tenant': 'acme', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
    await publisher.publish({
      subject: scene.stream.subject('a'),
      data: Buffer.from('{"n":7}'),
      messageId: 'm-1',
      headers,
    });
    const letter = await scene.firstLetter();
    await scene.acked(1);
    expect(Buffer.from(letter.data).toString()).toBe('{"n":7}');
    const header = (name: string) => letter.header(name);
    expect(header('x-tenant')).toBe('acme');
    expect(header('original-nats-msg-id')).toBe('m-1');
    expect(header('dead-letter-code')).toBe('STOCK_GONE');
    expect(header('dead-letter-class')).toBe('StockError');
    expect(header('dead-letter-message')).toBe('nothing left');
    expect(header('dead-letter-stack')).toContain('StockError');
    expect(header('dead-letter-attempts')).toBe('2');
    expect(header('dead-letter-stream')).toBe(scene.stream.name);
    expect(header('dead-letter-sequence')).toBe('1');
    expect(header('dead-letter-consumer')).toBe(scene.durable);
    expect(header('dead-letter-trace-id')).toBe('a'.repeat(32));
    expect(header('Nats-Msg-Id')).toBe(
      `${scene.stream.name}:1:${scene.durable}:${Date.parse(header('dead-letter-first-at') ?? '')}`,
    );
    expect(await scene.letters()).toHaveLength(1);
    expect(settled.map(({ outcome }) => outcome)).toEqual(['retried', 'dead-lettered']);
  });

  it.each([
    ['a TerminalError', () => new TerminalError('never')],
    ['an invalid payload reported by a pipe', () => new BadRequestException('bad field')],
  ])('sends %s there after one attempt', async (_, error) => {
    let attempts = 0;
    await scene.start(
      scene.handler('a', {}, () => {
        attempts++;
        throw error();
      }),
    );
    await scene.publish(1);
    await waitFor('the dead letter', async () => (await scene.letters()).length === 1);
    expect(attempts).toBe(1);
  });

  it('stores a message of a subject without a handler after all attempts, whether it can be read or not', async () => {
    const { settled } = await scene.start(
      scene.handler('a', { maxDeliver: 2, backoffMs: [10] }, () => undefined),
    );
    await scene.widen('b');
    await scene.bystander.publish(scene.stream.subject('b'), 'unknown format');
    const letter = await scene.firstLetter();
    await scene.acked(1);
    expect(letter.header('dead-letter-code')).toBe('JS_UNROUTABLE');
    expect(letter.header('dead-letter-attempts')).toBe('2');
    expect(settled.map(({ outcome }) => outcome)).toEqual(['retried', 'dead-lettered']);
  });

  it('gets no message that only a newer version of the service handles, once that runs', async () => {
    const options = { maxDeliver: 100, backoffMs: { first: 100, cap: 100 } };
    const older = await scene.start(scene.handler('a', options, () => undefined));
    await scene.widen('b');
    await scene.bystander.publish(scene.stream.subject('b'), '1');
    await waitFor('an attempt of the older version', () => older.settled[0]?.outcome === 'retried');
    const seen: unknown[] = [];
    await Promise.all([
      scene.stop(older),
      scene.start(scene.handler(['a', 'b'], options, (payload) => seen.push(payload))),
    ]);
    await scene.acked(1);
    expect(seen).toEqual([1]);
    expect(await scene.letters()).toEqual([]);
  });

  it('tells what was thrown that is no error', async () => {
    await scene.start(
      scene.handler('a', { maxDeliver: 1 }, () => {
        // oxlint-disable-next-line typescript/only-throw-error -- libraries do
        throw { reason: 'quota', left: 0 };
      }),
    );
    await scene.publish(1);
    const letter = await scene.firstLetter();
    expect(letter.header('dead-letter-message')).toBe("{ reason: 'quota', left: 0 }");
    expect(letter.header('dead-letter-stack')).toBe('');
  });

  it('takes an undecodable message without calling the handler and handles its neighbours', async () => {
    const seen: unknown[] = [];
    await scene.start(scene.handler('a', {}, (payload) => seen.push(payload)));
    for (const body of ['1', '{broken', '2']) await scene.bystander.publish(scene.stream.subject('a'), body);
    await scene.acked(3);
    expect(seen).toEqual([1, 2]);
    const letters = await scene.letters();
    expect(letters.map(({ data }) => Buffer.from(data).toString())).toEqual(['{broken']);
    expect(letters[0]?.header('dead-letter-class')).toBe('SyntaxError');
  });

  it('keeps the message and its true error while the dead-letter stream refuses copies', async () => {
    const { settled } = await scene.start(
      scene.handler('a', { maxDeliver: 1 }, () => {
        throw new TerminalError('the true error');
      }),
    );
    await scene.bystander.updateStream(`${scene.stream.name}_DLQ`, { max_msgs: 1 });
    await scene.bystander.publish(scene.stream.deadLetterSubject, 'fills it');
    await scene.publish(1);
    await waitFor('a refused copy', () => settled.some(({ outcome }) => outcome === 'retried'));
    expect((await scene.position()).num_ack_pending).toBe(1);
    await scene.bystander.updateStream(`${scene.stream.name}_DLQ`, { max_msgs: -1 });
    const letter = await waitFor('the dead letter', async () => (await scene.letters())[1]);
    expect(letter.header('dead-letter-message')).toBe('the true error');
    expect(letter.header('dead-letter-attempts')).toBe('1');
  });

  it('takes the first message of a stream that was created anew although it took one of the same sequence before', async () => {
    const refuse = () => {
      throw new TerminalError('refused');
    };
    for (const count of [1, 2]) {
      const started = await scene.start(scene.handler('a', {}, refuse));
      await scene.publish(count);
      await scene.acked(1);
      await scene.stop(started);
      await scene.bystander.deleteStream(scene.stream.name);
    }
    expect((await scene.letters()).map(({ data }) => Buffer.from(data).toString())).toEqual(['1', '2']);
  });

  it('takes a message whose headers nobody can read, with its body', async () => {
    await scene.start(
      scene.handler('a', {}, () => {
        throw new TerminalError('refused');
      }),
    );
    await publishRaw(scene.stream.subject('a'), 'NATS/1.0\r\nbad name here: x\r\n\r\n', '"body"');
    const letter = await scene.firstLetter();
    expect(Buffer.from(letter.data).toString()).toBe('"body"');
    expect(letter.header('dead-letter-message')).toBe('refused');
    expect(letter.header('dead-letter-headers')).toBe('unreadable');
  });

  it('takes a message whose handler asked for it through the context', async () => {
    await scene.start(scene.handler('a', {}, (_, context) => context.deadLetter('not for us')));
    await scene.publish(1);
    const letter = await scene.firstLetter();
    expect(letter.header('dead-letter-message')).toBe('not for us');
  });

  it.each([
    ['nothing that can be read', 'bad name here: x'],
    ['no sequence', 'dead-letter-sequence: none'],
    ['a sequence that no stream has', 'dead-letter-sequence: 1e21'],
    ['a time that never was', 'dead-letter-first-at: 9999-99-99'],
  ])('take a redrive that says %s, written by somebody else, after its attempts', async (_, field) => {
    await scene.start(
      scene.handler('a', { maxDeliver: 2, backoffMs: [10] }, () => {
        throw new Error('always');
      }),
    );
    const subject = `dead-letter-subject: ${scene.stream.subject('a')}`;
    const redrive = `operations.redrive.${scene.stream.name}.${scene.durable}.1`;
    await publishRaw(redrive, `NATS/1.0\r\n${subject}\r\n${field}\r\n\r\n`, '"body"');
    const letter = await scene.firstLetter();
    expect(Buffer.from(letter.data).toString()).toBe('"body"');
    expect(letter.header('dead-letter-sequence')).toBe('0');
  });
});
