import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Msg } from '@nats-io/transport-node';
import type { HandlerOptions } from '../handler.options.js';
import { ConsumerLoop } from './consumer-loop.js';
import type { DeliveryProcessor } from './delivery-processor.js';
import type { DeliverySource, SourceListener } from './delivery-source.js';
import type { Delivery } from './held-deliveries.js';
import { Quarantine } from './quarantine.js';
import { planConsumers } from './routes.js';

const STREAMS = [{ name: 'S', subjects: ['s.>'], deadLetterSubject: 'dlq' }];
const LINGER_MS = 1_000;

describe('batches', () => {
  let listener: SourceListener;
  let batches: number[][];
  let published: number;

  const source = {
    start: () => undefined,
    topUp: () => undefined,
    stop: async () => undefined,
    close: async () => undefined,
    silentMs: 0,
    isSilent: false,
  } as unknown as DeliverySource;

  const processor = {
    isHoldingOff: false,
    process: async (unit: readonly Delivery[]) => {
      batches.push(unit.map(({ info }) => info.streamSequence));
    },
    extend: () => undefined,
    giveBack: async () => undefined,
  } as unknown as DeliveryProcessor;

  function open(batch: HandlerOptions['batch']): ConsumerLoop {
    const handler = async () => undefined;
    const options = { durable: 'd', concurrency: 2, ...(batch && { batch }) };
    const [plan] = planConsumers([{ pattern: 's.a', handler, options }], STREAMS);
    if (!plan) throw new Error('no plan');
    const loop = new ConsumerLoop(plan, processor, new Quarantine(), (given) => {
      listener = given;
      return source;
    });
    loop.start();
    return loop;
  }

  function deliver(count: number): void {
    for (let n = 0; n < count; n++) {
      published++;
      const reply = `$JS.ACK.S.d.1.${published}.${published}.1.0`;
      listener.onMessage({ subject: 's.a', reply, data: new Uint8Array() } as Msg);
    }
  }

  beforeEach(() => {
    jest.useFakeTimers();
    batches = [];
    published = 0;
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('are handed over as soon as they are full, without a timer left behind', async () => {
    const loop = open({ size: 3, lingerMs: LINGER_MS });
    const idleTimers = jest.getTimerCount();
    deliver(6);
    await jest.advanceTimersByTimeAsync(0);
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(jest.getTimerCount()).toBe(idleTimers);
    await loop.stop(0);
  });

  it('wait for more from the arrival of their own first message on, whatever was handed over before', async () => {
    const loop = open({ size: 3, lingerMs: LINGER_MS });
    deliver(3);
    await jest.advanceTimersByTimeAsync(LINGER_MS - 100);
    deliver(1);
    await jest.advanceTimersByTimeAsync(LINGER_MS - 100);
    deliver(1);
    expect(batches).toEqual([[1, 2, 3]]);
    await jest.advanceTimersByTimeAsync(100);
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    await loop.stop(0);
  });
});
