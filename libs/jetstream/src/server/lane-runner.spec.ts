import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { resolveHandlerOptions } from '../handler.options.js';
import type { DeliveryInfo } from './delivery-info.js';
import type { DeliveryProcessor } from './delivery-processor.js';
import { HoldingSettler } from './holding-settler.js';
import { KeyedDelivery } from './keyed-delivery.js';
import { LaneRunner } from './lane-runner.js';
import { Quarantine } from './quarantine.js';

const info = {
  stream: 'S',
  consumer: 'd',
  streamSequence: 1,
  deliveryCount: 1,
  timestampMs: 0,
} as DeliveryInfo;

describe('a lane', () => {
  beforeEach(() => {
    jest.useFakeTimers();
    jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  });

  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  it('runs no message again that was acked after an attempt which could be neither settled nor counted', async () => {
    const responses: string[] = [];
    const message = {
      data: new Uint8Array(),
      respond: (data: Uint8Array) => responses.push(Buffer.from(data).toString()) > 0,
    } as unknown as Msg;
    const settler = new HoldingSettler({} as NatsConnection);
    let runs = 0;
    // The server was away for the copy of the dead letter, and for the count of attempts after it.
    const process = async () => {
      if (runs++ > 0) return void settler.settle(message, { verb: 'ack' }, () => Promise.resolve());
      await settler.settle(message, { verb: 'dead-letter', error: 'x' }, () =>
        Promise.reject(new Error('away')),
      );
      throw new Error('away');
    };
    const processor = { process, extend: () => undefined } as unknown as DeliveryProcessor;
    const ended: boolean[] = [];
    const runner: LaneRunner = new LaneRunner(
      {
        stream: { name: 'S', subjects: [], deadLetterSubject: '' },
        options: resolveHandlerOptions({ durable: 'd' }),
        routes: [],
      },
      { processor, settler, quarantine: new Quarantine() },
      {
        mayRetry: () => true,
        onRetry: () => undefined,
        onEnd: (_, isSettled) => ended.push(isSettled),
        onFree: () => runner.advance(),
      },
    );
    runner.open(0);
    runner.add(new KeyedDelivery(message, info, { key: 'k', track: 0, tenure: 0 }));
    runner.advance();
    await jest.advanceTimersByTimeAsync(60_000);
    expect({ runs, responses, ended }).toEqual({ runs: 2, responses: ['+ACK'], ended: [true] });
  });
});
