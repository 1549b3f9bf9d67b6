import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  UseGuards,
  UsePipes,
  type CanActivate,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { EventPattern, JetStreamContext, type HandlerOptions } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';

class ThrottledError extends Error {}
class UnknownTenantError extends Error {}

class RefusingPipe implements PipeTransform {
  transform(): never {
    throw new UnknownTenantError('from a pipe');
  }
}

class RefusingGuard implements CanActivate {
  canActivate(): never {
    throw new UnknownTenantError('from a guard');
  }
}

describe('the policy of a handler', () => {
  let stream: TestStream;
  let options: HandlerOptions;
  let bystander: Bystander;
  let running: TestApp | undefined;

  async function start(controller: Type): Promise<TestApp> {
    running = await startTestApp(stream, [controller]);
    return running;
  }

  const letters = () => bystander.messages(`${stream.name}_DLQ`);

  beforeEach(async () => {
    stream = testStream();
    options = {
      durable: uniqueName('d'),
      maxDeliver: 2,
      backoffMs: { first: 5, cap: 20 },
      retryByError: [{ error: ThrottledError, maxDeliver: 9, backoffMs: [5, 5, 5, 5, 5, 5, 5, 5] }],
      terminalErrors: [UnknownTenantError],
    };
    bystander = await Bystander.connect();
  });

  afterEach(async () => {
    await running?.app.close();
    await bystander.close();
  });

  it('gives the errors of a class attempts of their own, even beyond those of the handler and the crash allowance', async () => {
    const attempts: Record<string, number[]> = { throttled: [], other: [] };
    @Controller()
    class Failing {
      @EventPattern(stream.subject('a'), options)
      on(@Payload() kind: string, @Ctx() context: JetStreamContext): void {
        attempts[kind]?.push(context.attempt);
        throw kind === 'throttled' ? new ThrottledError('slow down') : new Error('other');
      }
    }
    await start(Failing);
    for (const kind of ['"throttled"', '"other"']) await bystander.publish(stream.subject('a'), kind);
    await waitFor('both dead letters', async () => (await letters()).length === 2);
    expect(attempts).toEqual({ throttled: [1, 2, 3, 4, 5, 6, 7, 8, 9], other: [1, 2] });
    expect((await letters()).map((letter) => letter.header('dead-letter-class')).toSorted()).toEqual([
      'Error',
      'ThrottledError',
    ]);
  });

  it('dead-letters at once what it declares terminal, thrown by the handler, a pipe or a guard', async () => {
    const attempts: number[] = [];
    @Controller()
    class Refusing {
      @EventPattern(stream.subject('handler'), options)
      onHandler(@Ctx() context: JetStreamContext): never {
        attempts.push(context.attempt);
        throw new UnknownTenantError('from the handler');
      }

      @EventPattern(stream.subject('pipe'), options)
      @UsePipes(RefusingPipe)
      onPipe(@Payload() _payload: unknown): void {}

      @EventPattern(stream.subject('guard'), options)
      @UseGuards(RefusingGuard)
      onGuard(): void {}
    }
    const { settled } = await start(Refusing);
    for (const name of ['handler', 'pipe', 'guard']) await bystander.publish(stream.subject(name), '1');
    await waitFor('the dead letters', async () => (await letters()).length === 3);
    expect((await letters()).map((letter) => letter.header('dead-letter-message')).toSorted()).toEqual([
      'from a guard',
      'from a pipe',
      'from the handler',
    ]);
    expect(attempts).toEqual([1]);
    expect(settled.map(({ attempt, outcome }) => [attempt, outcome])).toEqual(
      Array.from({ length: 3 }, () => [1, 'dead-lettered']),
    );
  });

  it('must be the same for all handlers of a durable, error classes included', async () => {
    const { durable } = options;
    @Controller()
    class Disagreeing {
      @EventPattern(stream.subject('a'), { durable, terminalErrors: [UnknownTenantError] })
      onA(): void {}

      @EventPattern(stream.subject('b'), { durable, terminalErrors: [ThrottledError] })
      onB(): void {}
    }
    await expect(start(Disagreeing)).rejects.toThrow(
      /sets terminalErrors to another value than its neighbour/,
    );
  });

  it('is refused at start when a part of it can never apply', async () => {
    const impossible = { ...options, terminalErrors: [ThrottledError] };
    @Controller()
    class Impossible {
      @EventPattern(stream.subject('a'), impossible)
      on(): void {}
    }
    await expect(start(Impossible)).rejects.toThrow(/\(ThrottledError\) is never tried again/);
  });
});
