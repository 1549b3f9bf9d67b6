import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BadRequestException, Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamBatchContext,
  JetStreamContext,
  RetryableError,
  TerminalError,
  type HandlerOptions,
} from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, publishRaw, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

type Handle = (payload: unknown, context: JetStreamContext) => unknown;
type HandleBatch = (payloads: unknown[]) => unknown;

function batchHandler(pattern: string, options: HandlerOptions, handle: HandleBatch): Type {
  return handler(pattern, options, handle as Handle);
}

function handler(pattern: string | string[], options: HandlerOptions, handle: Handle): Type {
  @Controller()
  class TestController {
    @EventPattern(pattern, options)
    on(@Payload() payload: never, @Ctx() context: never): unknown {
      return handle(payload, context);
    }
  }
  return TestController;
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('JetStream transport', () => {
  let stream: TestStream;
  let durable: string;
  let bystander: Bystander;
  let apps: INestApplication[];

  async function start(...controllers: Type[]): Promise<TestApp> {
    const started = await startTestApp(stream, controllers);
    apps.push(started.app);
    return started;
  }

  const dlq = () => bystander.messages(`${stream.name}_DLQ`);
  const position = async () => (await bystander.consumer(stream.name, durable)) ?? undefined;

  beforeEach(async () => {
    stream = testStream();
    durable = uniqueName('d');
    apps = [];
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await bystander.close();
  });

  it('hands a published message to the handler and acks it after the handler returned', async () => {
    const seen: unknown[] = [];
    const { publisher } = await start(
      handler(stream.subject('a'), { durable }, (payload) => seen.push(payload)),
    );
    const ack = await publisher.publish({ subject: stream.subject('a'), data: json({ n: 1 }) });
    expect(ack).toMatchObject({ stream: stream.name, seq: 1, duplicate: false });
    await waitFor('the ack', async () => (await position())?.ack_floor.stream_seq === 1);
    expect(seen).toEqual([{ n: 1 }]);
  });

  it('routes wildcard patterns and several patterns of one handler', async () => {
    const seen: string[] = [];
    const { publisher } = await start(
      handler([stream.subject('a.*'), stream.subject('b.>')], { durable }, (_, context) =>
        seen.push(context.subject),
      ),
    );
    for (const name of ['a.1', 'b.1.2', 'c.1'])
      await publisher.publish({ subject: stream.subject(name), data: json(1) });
    await waitFor('both messages', () => seen.length === 2);
    expect(seen.toSorted()).toEqual([stream.subject('a.1'), stream.subject('b.1.2')]);
  });

  it('gives two handlers of one pattern a delivery each when they name different durables', async () => {
    const other = uniqueName('d');
    const seen: string[] = [];
    const { publisher } = await start(
      handler(stream.subject('a'), { durable }, () => seen.push(durable)),
      handler(stream.subject('a'), { durable: other }, () => seen.push(other)),
    );
    await publisher.publish({ subject: stream.subject('a'), data: json(1) });
    await waitFor('both handlers', () => seen.length === 2);
    expect(seen.toSorted()).toEqual([durable, other].toSorted());
  });

  it('tries again after an error and stops trying once the handler succeeds', async () => {
    const attempts: number[] = [];
    const { publisher } = await start(
      handler(stream.subject('a'), { durable, backoffMs: [10] }, (_, context) => {
        attempts.push(context.attempt);
        if (attempts.length < 3) throw new Error('not yet');
      }),
    );
    await publisher.publish({ subject: stream.subject('a'), data: json(1) });
    await waitFor('the ack', async () => (await position())?.ack_floor.stream_seq === 1);
    expect(attempts).toEqual([1, 2, 3]);
    expect(await dlq()).toHaveLength(0);
  });

  it('waits as long as a RetryableError asks before the next attempt', async () => {
    const times: number[] = [];
    const { publisher } = await start(
      handler(stream.subject('a'), { durable, backoffMs: [60_000] }, () => {
        times.push(Date.now());
        if (times.length === 1) throw new RetryableError('busy', { delayMs: 300 });
      }),
    );
    await publisher.publish({ subject: stream.subject('a'), data: json(1) });
    await waitFor('two attempts', () => times.length === 2);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(290);
  });

  describe('dead letters', () => {
    it('stores the bytes, headers and true error of a message that failed its last attempt, once', async () => {
      class StockError extends Error {
        readonly code = 'STOCK_GONE';
        override readonly name = 'StockError';
      }
      const { publisher, settled } = await start(
        handler(stream.subject('a'), { durable, maxDeliver: 2, backoffMs: [10] }, () => {
          throw new StockError('nothing left');
        }),
      );
      const headers = { 'x-tenant': 'acme', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
      await publisher.publish({
        subject: stream.subject('a'),
        data: json({ n: 7 }),
        messageId: 'm-1',
        headers,
      });
      const [letter] = await waitFor('the dead letter', async () => {
        const letters = await dlq();
        return letters.length > 0 && letters;
      });
      await waitFor('the ack', async () => (await position())?.ack_floor.stream_seq === 1);
      expect(Buffer.from(letter?.data ?? []).toString()).toBe('{"n":7}');
      const header = (name: string) => letter?.header(name);
      expect(header('x-tenant')).toBe('acme');
      expect(header('original-nats-msg-id')).toBe('m-1');
      expect(header('dead-letter-code')).toBe('STOCK_GONE');
      expect(header('dead-letter-class')).toBe('StockError');
      expect(header('dead-letter-message')).toBe('nothing left');
      expect(header('dead-letter-stack')).toContain('StockError');
      expect(header('dead-letter-attempts')).toBe('2');
      expect(header('dead-letter-stream')).toBe(stream.name);
      expect(header('dead-letter-sequence')).toBe('1');
      expect(header('dead-letter-consumer')).toBe(durable);
      expect(header('dead-letter-trace-id')).toBe('a'.repeat(32));
      expect(header('Nats-Msg-Id')).toBe(
        `${stream.name}:1:${durable}:${Date.parse(header('dead-letter-first-at') ?? '')}`,
      );
      expect(await dlq()).toHaveLength(1);
      expect(settled.map(({ outcome }) => outcome)).toEqual(['retried', 'dead-lettered']);
    });

    it.each([
      ['a TerminalError', () => new TerminalError('never')],
      ['an invalid payload reported by a pipe', () => new BadRequestException('bad field')],
    ])('sends %s there after one attempt', async (_, error) => {
      let attempts = 0;
      const { publisher } = await start(
        handler(stream.subject('a'), { durable }, () => {
          attempts++;
          throw error();
        }),
      );
      await publisher.publish({ subject: stream.subject('a'), data: json(1) });
      await waitFor('the dead letter', async () => (await dlq()).length === 1);
      expect(attempts).toBe(1);
    });

    it('tells what was thrown that is no error', async () => {
      await start(
        handler(stream.subject('a'), { durable, maxDeliver: 1 }, () => {
          // oxlint-disable-next-line typescript/only-throw-error -- libraries do
          throw { reason: 'quota', left: 0 };
        }),
      );
      await bystander.publish(stream.subject('a'), '1');
      const letter = await waitFor('the dead letter', async () => (await dlq())[0]);
      expect(letter.header('dead-letter-message')).toBe("{ reason: 'quota', left: 0 }");
      expect(letter.header('dead-letter-stack')).toBe('');
    });

    it('takes an undecodable message without calling the handler and handles its neighbours', async () => {
      const seen: unknown[] = [];
      await start(handler(stream.subject('a'), { durable }, (payload) => seen.push(payload)));
      for (const body of ['1', '{broken', '2']) await bystander.publish(stream.subject('a'), body);
      await waitFor('the ack', async () => (await position())?.ack_floor.stream_seq === 3);
      expect(seen).toEqual([1, 2]);
      const letters = await dlq();
      expect(letters.map(({ data }) => Buffer.from(data).toString())).toEqual(['{broken']);
      expect(letters[0]?.header('dead-letter-class')).toBe('SyntaxError');
    });

    it('keeps the message and its true error while the dead-letter stream refuses copies', async () => {
      const { publisher, settled } = await start(
        handler(stream.subject('a'), { durable, maxDeliver: 1 }, () => {
          throw new TerminalError('the true error');
        }),
      );
      await bystander.updateStream(`${stream.name}_DLQ`, { max_msgs: 1 });
      await publisher.publish({ subject: stream.deadLetterSubject, data: json('fills it') });
      await publisher.publish({ subject: stream.subject('a'), data: json(1) });
      await waitFor('a refused copy', () => settled.some(({ outcome }) => outcome === 'retried'));
      expect((await position())?.num_ack_pending).toBe(1);
      await bystander.updateStream(`${stream.name}_DLQ`, { max_msgs: -1 });
      const letter = await waitFor('the dead letter', async () => (await dlq())[1]);
      expect(letter.header('dead-letter-message')).toBe('the true error');
      expect(letter.header('dead-letter-attempts')).toBe('1');
    });

    it('takes the first message of a stream that was created anew although it took one of the same sequence before', async () => {
      const refuse = () => {
        throw new TerminalError('refused');
      };
      for (const count of [1, 2]) {
        const { app } = await start(handler(stream.subject('a'), { durable }, refuse));
        await bystander.publish(stream.subject('a'), String(count));
        await waitFor('the ack', async () => (await position())?.ack_floor.stream_seq === 1);
        await app.close();
        await bystander.deleteStream(stream.name);
      }
      expect((await dlq()).map(({ data }) => Buffer.from(data).toString())).toEqual(['1', '2']);
    });

    it('takes a message whose headers nobody can read, with its body', async () => {
      await start(
        handler(stream.subject('a'), { durable }, () => {
          throw new TerminalError('refused');
        }),
      );
      await publishRaw(stream.subject('a'), 'NATS/1.0\r\nbad name here: x\r\n\r\n', '"body"');
      const letter = await waitFor('the dead letter', async () => (await dlq())[0]);
      expect(Buffer.from(letter.data).toString()).toBe('"body"');
      expect(letter.header('dead-letter-message')).toBe('refused');
      expect(letter.header('dead-letter-headers')).toBe('unreadable');
    });

    it('takes a message whose handler asked for it through the context', async () => {
      const { publisher } = await start(
        handler(stream.subject('a'), { durable }, (_, context) => context.deadLetter('not for us')),
      );
      await publisher.publish({ subject: stream.subject('a'), data: json(1) });
      const [letter] = await waitFor('the dead letter', async () => {
        const letters = await dlq();
        return letters.length > 0 && letters;
      });
      expect(letter?.header('dead-letter-message')).toBe('not for us');
    });
  });

  describe('batches', () => {
    it('hands over what waits as one array and acks it together', async () => {
      const batches: unknown[][] = [];
      for (const n of [1, 2, 3]) await createStreamAndPublish(n);
      await start(
        batchHandler(stream.subject('a'), { durable, batch: { size: 3, lingerMs: 5_000 } }, (payloads) =>
          batches.push(payloads),
        ),
      );
      await waitFor('the ack', async () => (await position())?.ack_floor.stream_seq === 3);
      expect(batches).toEqual([[1, 2, 3]]);
    });

    it('hands over an incomplete batch when nothing more comes within the linger time', async () => {
      const batches: unknown[][] = [];
      const { publisher } = await start(
        batchHandler(stream.subject('a'), { durable, batch: { size: 100, lingerMs: 20 } }, (payloads) =>
          batches.push(payloads),
        ),
      );
      await publisher.publish({ subject: stream.subject('a'), data: json('alone') });
      await waitFor('the batch', () => batches.length === 1);
      expect(batches).toEqual([['alone']]);
    });

    it('gives each member a signal of its own after the batch ran into its time-out', async () => {
      const handled: unknown[] = [];
      for (const n of [1, 2]) await createStreamAndPublish(n);
      @Controller()
      class Patient {
        @EventPattern(stream.subject('a'), { durable, timeoutMs: 100, batch: { size: 2, lingerMs: 50 } })
        async on(@Payload() payloads: unknown[], @Ctx() context: JetStreamBatchContext): Promise<void> {
          if (payloads.length > 1) await new Promise(() => undefined);
          if (!context.signal.aborted) handled.push(...payloads);
        }
      }
      await start(Patient);
      await waitFor('the ack', async () => (await position())?.ack_floor.stream_seq === 2);
      expect(handled).toEqual([1, 2]);
    });

    it('isolates one poison member: its neighbours are handled, it alone is dead-lettered', async () => {
      const handled: unknown[] = [];
      for (const n of [1, 2, 3, 4]) await createStreamAndPublish(n);
      await start(
        batchHandler(
          stream.subject('a'),
          { durable, maxDeliver: 1, batch: { size: 4, lingerMs: 50 } },
          (payloads) => {
            if (payloads.includes(3)) throw new Error('poison');
            handled.push(...payloads);
          },
        ),
      );
      await waitFor('the ack', async () => (await position())?.ack_floor.stream_seq === 4);
      expect(handled).toEqual([1, 2, 4]);
      const letters = await dlq();
      expect(letters.map(({ data }) => Buffer.from(data).toString())).toEqual(['3']);
      expect(letters[0]?.header('dead-letter-message')).toBe('poison');
    });

    async function createStreamAndPublish(value: unknown): Promise<void> {
      if (apps.length === 0) await start();
      await bystander.publish(stream.subject('a'), JSON.stringify(value));
    }
  });

  describe('shutdown', () => {
    it('lets the running handler finish and ack, and gives back what waits without consuming an attempt', async () => {
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const started: unknown[] = [];
      const first = await start(
        handler(stream.subject('a'), { durable, concurrency: 1 }, async (payload) => {
          started.push(payload);
          await gate;
        }),
      );
      for (const n of [1, 2]) await bystander.publish(stream.subject('a'), String(n));
      await waitFor('both deliveries', async () => (await position())?.num_ack_pending === 2);
      const closing = first.app.close();
      await waitFor('the loop to stop', () => first.server.liveness()[0]?.state === 'stopped');
      open();
      await closing;
      apps.pop();
      expect(started).toEqual([1]);
      expect((await position())?.ack_floor.stream_seq).toBe(1);

      const attempts: number[] = [];
      await start(handler(stream.subject('a'), { durable }, (_, context) => attempts.push(context.attempt)));
      await waitFor('the second message', () => attempts.length === 1, 5_000);
      expect(attempts).toEqual([1]);
    });
  });

  it('restores a durable that somebody deleted and goes on', async () => {
    const seen: unknown[] = [];
    const { publisher } = await start(
      handler(stream.subject('a'), { durable }, (payload) => seen.push(payload)),
    );
    await publisher.publish({ subject: stream.subject('a'), data: json(1) });
    await waitFor('the first message', () => seen.length === 1);
    await bystander.deleteConsumer(stream.name, durable);
    await waitFor('the durable', position);
    await publisher.publish({ subject: stream.subject('a'), data: json(2) });
    await waitFor('the second message', () => seen.includes(2));
  });

  it('lets a durable gain and lose a handler from one start to the next', async () => {
    const seen: unknown[] = [];
    const on = (name: string) => handler(stream.subject(name), { durable }, (payload) => seen.push(payload));
    for (const names of [['a'], ['a', 'b'], ['b']]) {
      const { app, publisher } = await start(...names.map(on));
      const before = seen.length;
      for (const name of names) await publisher.publish({ subject: stream.subject(name), data: json(name) });
      await waitFor('its messages', () => seen.length === before + names.length);
      await app.close();
      apps.pop();
    }
    expect(seen).toHaveLength(4);
  });

  it('settles failures although somebody deleted the bucket that counts attempts', async () => {
    const attempts: number[] = [];
    const { publisher } = await start(
      handler(stream.subject('a'), { durable, maxDeliver: 3, backoffMs: [10] }, (_, context) => {
        attempts.push(context.attempt);
        throw new Error('always');
      }),
    );
    await bystander.deleteStream('KV_slipstream_attempts');
    await publisher.publish({ subject: stream.subject('a'), data: json(1) });
    await waitFor('the dead letter', async () => (await dlq()).length === 1);
    expect(attempts).toEqual([1, 2, 3]);
  });

  it('aborts a handler that runs too long and tries again', async () => {
    const attempts: number[] = [];
    const aborted: unknown[] = [];
    const { publisher } = await start(
      handler(stream.subject('a'), { durable, timeoutMs: 50, backoffMs: [10] }, (_, context) => {
        attempts.push(context.attempt);
        if (context.attempt > 1) return undefined;
        return new Promise<void>((resolve) =>
          context.signal.addEventListener('abort', () => {
            aborted.push(context.signal.reason);
            resolve();
          }),
        );
      }),
    );
    await publisher.publish({ subject: stream.subject('a'), data: json(1) });
    await waitFor('the ack', async () => (await position())?.ack_floor.stream_seq === 1);
    expect(attempts).toEqual([1, 2]);
    expect(aborted).toEqual([expect.objectContaining({ code: 'JS_HANDLER_TIMEOUT' })]);
  });

  it.each<[string, HandlerOptions, RegExp]>([
    [
      'an ack wait shorter than the time-out',
      { durable: 'd', timeoutMs: 30_000 },
      /must be shorter than ackWaitMs/,
    ],
    ['no time', { durable: 'd', timeoutMs: 0 }, /timeoutMs must be a whole number above 0/],
    ['a durable with a dot', { durable: 'a.b' }, /durable "a\.b" must be/],
    ['no concurrency', { durable: 'd', concurrency: 0 }, /concurrency must be a whole number above 0/],
  ])('refuses to start with %s and says what to change', async (_, options, message) => {
    await expect(
      startTestApp(stream, [handler(stream.subject('a'), options, () => undefined)]),
    ).rejects.toThrow(message);
  });

  it.each(['Nats-Rollup', 'nats-msg-id'])('refuses to publish with the reserved header %s', async (name) => {
    const { publisher } = await start();
    await expect(
      publisher.publish({ subject: stream.subject('a'), data: json(1), headers: { [name]: 'all' } }),
    ).rejects.toThrow(/reserved for the server/);
  });

  it('stores a message published twice with one id once', async () => {
    const { publisher } = await start();
    const message = { subject: stream.subject('a'), data: json(1), messageId: 'same' };
    const first = await publisher.publish(message);
    const second = await publisher.publish(message);
    expect(second).toMatchObject({ seq: first.seq, duplicate: true });
  });
});
