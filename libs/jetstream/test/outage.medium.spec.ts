import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, Logger, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamBatchContext,
  JetStreamContext,
  OutageError,
  TerminalError,
  type HandlerOptions,
  type JetStreamOptions,
} from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

class AwayError extends Error {}

const isOutage = (error: unknown) => error instanceof AwayError;

describe('an outage of what a handler needs', () => {
  let stream: TestStream;
  let options: HandlerOptions;
  let bystander: Bystander;
  let running: TestApp | undefined;

  async function start(controller: Type, more: Partial<JetStreamOptions> = {}): Promise<TestApp> {
    running = await startTestApp(stream, [controller], { isOutage, ...more });
    return running;
  }

  async function publish(...bodies: string[]): Promise<void> {
    for (const body of bodies) await bystander.publish(stream.subject('a'), JSON.stringify(body));
  }

  const letters = () => bystander.messages(`${stream.name}_DLQ`);
  const handled = () => running?.settled.filter(({ outcome }) => outcome === 'handled') ?? [];

  beforeEach(async () => {
    stream = testStream();
    options = { durable: uniqueName('d'), maxDeliver: 2, backoffMs: [5] };
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await running?.app.close();
    await bystander.close();
  });

  it.each<[string, Partial<HandlerOptions>]>([
    ['pulled', {}],
    ['pushed', { delivery: 'push' }],
    ['kept in order', { orderBy: ({ subject }) => subject, partitions: 1 }],
  ])('consumes no attempt of messages that are %s', async (_, more) => {
    const attempts: number[] = [];
    @Controller()
    class Dependent {
      @EventPattern(stream.subject('a'), { ...options, ...more })
      on(@Ctx() context: JetStreamContext): void {
        attempts.push(context.attempt);
        if (attempts.length <= 2) throw new AwayError('away');
        if (attempts.length === 3) throw new Error('its own fault');
      }
    }
    await start(Dependent);
    await publish('order');
    await waitFor('the message to be handled', () => handled().length === 1);
    expect(attempts).toEqual([1, 1, 1, 2]);
    expect(await letters()).toEqual([]);
  });

  it('is told by the handler, too', async () => {
    const attempts: number[] = [];
    @Controller()
    class Dependent {
      @EventPattern(stream.subject('a'), { ...options, maxDeliver: 1 })
      on(@Ctx() context: JetStreamContext): void {
        attempts.push(context.attempt);
        if (attempts.length <= 2) throw new OutageError('the store is away');
      }
    }
    await start(Dependent);
    await publish('order');
    await waitFor('the message to be handled', () => handled().length === 1);
    expect(attempts).toEqual([1, 1, 1]);
    expect(await letters()).toEqual([]);
  });

  it('does not split a batch, whose members are all handled afterwards', async () => {
    const sizesWhileAway: number[] = [];
    const seen: { body: string; attempt: number }[] = [];
    let isAway = true;
    @Controller()
    class Dependent {
      @EventPattern(stream.subject('a'), { ...options, maxDeliver: 1, batch: { size: 3, lingerMs: 60_000 } })
      on(@Payload() bodies: string[], @Ctx() { messages }: JetStreamBatchContext): void {
        if (!isAway) {
          seen.push(...bodies.map((body, index) => ({ body, attempt: messages[index]?.attempt ?? 0 })));
          return;
        }
        sizesWhileAway.push(bodies.length);
        throw new AwayError('away');
      }
    }
    // The first settlement follows the last call that the failed batch leads to.
    const settled = () => {
      isAway = false;
    };
    await start(Dependent, { observer: { settled, published: () => undefined } });
    await publish('a', 'b', 'c');
    await waitFor('the messages to be handled', () => seen.length === 3);
    expect(sizesWhileAway).toEqual([3]);
    expect(seen.toSorted((one, other) => one.body.localeCompare(other.body))).toEqual(
      ['a', 'b', 'c'].map((body) => ({ body, attempt: 1 })),
    );
    expect(await letters()).toEqual([]);
  });

  it('keeps the consumer from taking everything there is and giving it back', async () => {
    const bodies = Array.from({ length: 200 }, (_, index) => `order-${index}`);
    const seen = new Set<string>();
    let takenAtFirstRepetition: number | undefined;
    @Controller()
    class Dependent {
      @EventPattern(stream.subject('a'), { ...options, concurrency: 4 })
      on(@Payload() body: string): void {
        if (seen.has(body)) takenAtFirstRepetition ??= seen.size;
        seen.add(body);
        if (takenAtFirstRepetition === undefined) throw new AwayError('away');
      }
    }
    await start(Dependent);
    await publish(...bodies);
    await waitFor('the messages to be handled', () => handled().length === bodies.length);
    expect(takenAtFirstRepetition).toBeLessThan(bodies.length / 2);
    expect(await letters()).toEqual([]);
  });

  it('yields to what is terminal, thrown or decided by the handler', async () => {
    class HopelessError extends TerminalError {}
    @Controller()
    class Refusing {
      @EventPattern(stream.subject('a'), options)
      on(@Payload() body: string, @Ctx() context: JetStreamContext): void {
        if (body === 'thrown') throw new HopelessError('thrown');
        context.deadLetter('decided');
      }
    }
    await start(Refusing, { isOutage: () => true });
    await publish('thrown', 'decided');
    await waitFor('the dead letters', async () => (await letters()).length === 2);
    const reasons = (await letters()).map((letter) => letter.header('dead-letter-message'));
    expect(reasons.toSorted()).toEqual(['decided', 'thrown']);
  });

  it('is not assumed when the check for it throws', async () => {
    const attempts: number[] = [];
    @Controller()
    class Failing {
      @EventPattern(stream.subject('a'), options)
      on(@Ctx() context: JetStreamContext): void {
        attempts.push(context.attempt);
        throw new Error('its own fault');
      }
    }
    const errors = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const isBroken = () => {
      throw new TypeError('the check is broken');
    };
    await start(Failing, { isOutage: isBroken });
    await publish('order');
    const [letter] = await waitFor('the dead letter', async () => {
      const found = await letters();
      return found.length > 0 && found;
    });
    expect(letter?.header('dead-letter-message')).toBe('its own fault');
    expect(attempts).toEqual([1, 2]);
    expect(errors).toHaveBeenCalledWith(
      expect.objectContaining({ err: expect.any(TypeError) }),
      'isOutage threw',
    );
  });

  it('is not assumed when a handler runs too long, which may be the fault of its message', async () => {
    const attempts: number[] = [];
    @Controller()
    class Hanging {
      @EventPattern(stream.subject('a'), { ...options, timeoutMs: 50 })
      async on(@Ctx() context: JetStreamContext): Promise<void> {
        attempts.push(context.attempt);
        await new Promise((_, reject) => context.signal.addEventListener('abort', reject));
      }
    }
    await start(Hanging, { isOutage: () => true });
    await publish('order');
    await waitFor('the dead letter', async () => (await letters()).length === 1);
    expect((await letters())[0]?.header('dead-letter-code')).toBe('JS_HANDLER_TIMEOUT');
    expect(attempts).toEqual([1, 2]);
  });
});
