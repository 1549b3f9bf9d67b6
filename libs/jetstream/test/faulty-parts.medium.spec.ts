import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { headers as createHeaders } from '@nats-io/transport-node';
import { propagation } from '@opentelemetry/api';
import type { HandlerOptions, JetStreamOptions } from '@slipstream/jetstream';
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
      await start({ concurrency: 1, ackWaitMs: 500, timeoutMs: 400, ...more }, { tracing: true });
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
});
