import { expect, it } from '@jest/globals';
import { JetStreamConnection } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import type { ModeScene } from './mode-scene.js';

export function describeProcesses(scene: ModeScene): void {
  it(`gives ${scene.mode.isShared ? 'each message to one' : 'every message to each'} of two processes`, async () => {
    const seen: [unknown[], unknown[]] = [[], []];
    for (const own of seen) await scene.handle((payload) => own.push(payload));
    const bodies = Array.from({ length: 40 }, (_, index) => index);
    await scene.publish(...bodies);
    const expected = scene.mode.isShared ? bodies.length : 2 * bodies.length;
    await waitFor('every message', () => seen.flat().length >= expected);
    await scene.allAcked();
    const sorted = (payloads: unknown[]) => payloads.toSorted((a, b) => Number(a) - Number(b));
    const [both, each] = [sorted(seen.flat()), seen.map(sorted)];
    expect(scene.mode.isShared ? [both] : each).toEqual(scene.mode.isShared ? [bodies] : [bodies, bodies]);
  });

  it('lets a running handler finish at shutdown', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const ended: unknown[] = [];
    let begun = 0;
    const first = await scene.handle(
      async (payload) => {
        begun++;
        await gate;
        ended.push(payload);
      },
      { concurrency: 1 },
    );
    await scene.publish(1, 2, 3);
    await waitFor('the first message', () => begun === 1);
    const closing = scene.stop(first);
    await waitFor('the stop', () => first.server.liveness()[0]?.state === 'stopped');
    open();
    await closing;
    expect(ended).toEqual([1]);
    expect(first.settled.filter(({ outcome }) => outcome === 'handled')).toHaveLength(1);
  });

  scene.itSurvives(`gives the rest to the next process, no attempt consumed${scene.butFor}`, async () => {
    const attempts: [unknown, number][] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    let begun = 0;
    const first = await scene.handle(
      () => {
        begun++;
        return gate;
      },
      { concurrency: 1 },
    );
    await scene.publish(1, 2, 3);
    await waitFor('the deliveries', async () => (await scene.unacked()) >= 2);
    await waitFor('the first to run', () => begun === 1);
    const closing = scene.stop(first);
    await waitFor('the stop', () => first.server.liveness()[0]?.state === 'stopped');
    open();
    await closing;
    await scene.handle((payload, context) => attempts.push([payload, context.attempt]));
    await waitFor('the others', () => attempts.length >= 2);
    await scene.allAcked();
    const byPayload = attempts.toSorted(([a], [b]) => Number(a) - Number(b));
    expect(byPayload).toEqual([
      [2, 1],
      [3, 1],
    ]);
  });

  scene.itSurvives(`gives what a killed process held to the next one${scene.butFor}`, async () => {
    const seen: unknown[] = [];
    const options = { ackWaitMs: 700, timeoutMs: 699 };
    let begun = 0;
    const first = await scene.handle(
      () => {
        begun++;
        return new Promise(() => undefined);
      },
      options,
      { shutdownTimeoutMs: 1 },
    );
    await scene.publish(1);
    await waitFor('the message', () => begun === 1);
    // What the server sees of a killed process: the connection is gone and nothing was settled.
    await first.app.get(JetStreamConnection).nc.close();
    await scene.handle((payload, context) => seen.push([payload, context.attempt]), options);
    await waitFor('the message again', () => seen.length === 1);
    expect(seen).toEqual([[1, 2]]);
  });
}
