import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { headers as createHeaders } from '@nats-io/transport-node';
import { propagation } from '@opentelemetry/api';
import type { HandlerOptions, JetStreamOptions, TransportObserver } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { HandlerScene } from './handler-scene.js';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('a consumer among parts of the application that throw', () => {
  const scene = new HandlerScene();
  let handled: unknown[];

  const start = (options: Partial<HandlerOptions>, more: Partial<JetStreamOptions>) => {
    const handler = scene.handler('a', options, (payload) => void handled.push(payload));
    return scene.start(handler, more);
  };

  beforeEach(async () => {
    handled = [];
    await scene.set();
  });

  afterEach(async () => {
    propagation.disable();
    await scene.clear();
  });

  it.each<[string, Partial<HandlerOptions>]>([
    ['single messages', {}],
    ['batches', { batch: { size: 1, lingerMs: 0 } }],
  ])(
    'has its one place for %s free again when the propagator throws, and settles the message later',
    async (_, more) => {
      let failures = 0;
      propagation.setGlobalPropagator({
        inject: () => undefined,
        extract: (context) => {
          if (failures++ === 0) throw new Error('a propagator that throws');
          return context;
        },
        fields: () => [],
      });
      await start({ concurrency: 1, ackWaitMs: 2_000, timeoutMs: 1_900, ...more }, { tracing: true });
      const headers = createHeaders();
      headers.set('traceparent', TRACEPARENT);
      for (const body of ['"first"', '"second"']) {
        await jetstream(scene.bystander.nc).publish(scene.stream.subject('a'), body, { headers });
      }
      await waitFor('both messages', async () => (await scene.position()).ack_floor.stream_seq === 2);
      expect(handled.flat()).toEqual(['second', 'first']);
      expect(failures).toBe(3);
    },
  );

  describe('such as its observer', () => {
    let outcomes: string[];

    const fail = () => {
      throw new Error('an observer that throws');
    };
    const observer: TransportObserver = {
      settled: ({ outcome }) => {
        outcomes.push(outcome);
        fail();
      },
      published: fail,
      deadLettered: fail,
    };

    beforeEach(() => {
      outcomes = [];
    });

    it.each<[string, Partial<HandlerOptions>]>([
      ['the rest of a batch', { batch: { size: 3, lingerMs: 60_000 } }],
      ['a key', { orderBy: ({ subject }) => subject, partitions: 1 }],
    ])('settles %s as if nothing had happened, and runs nothing again', async (_, more) => {
      await start({ ackWaitMs: 3_000, ...more }, { observer });
      await scene.publish('a', 'b', 'c');
      await waitFor('all reports', () => outcomes.length >= 3);
      expect(handled.flat()).toEqual(['a', 'b', 'c']);
      expect(outcomes).toEqual(['handled', 'handled', 'handled']);
    });

    it('takes a message that was published, or stored as a dead letter, for what it is', async () => {
      const failing = scene.handler('a', { maxDeliver: 1 }, () => {
        throw new Error('always');
      });
      const { publisher } = await scene.start(failing, { observer });
      const message = { subject: scene.stream.subject('a'), data: Buffer.from('1') };
      await expect(publisher.publish(message)).resolves.toMatchObject({ seq: 1 });
      await waitFor('the report', () => outcomes.length > 0);
      expect(outcomes).toEqual(['dead-lettered']);
      expect(await scene.letters()).toHaveLength(1);
    });
  });
});
