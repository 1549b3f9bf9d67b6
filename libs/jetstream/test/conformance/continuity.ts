import { expect, it } from '@jest/globals';
import { JetStreamConnection } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import type { ModeScene } from './mode-scene.js';

export function describeContinuity(scene: ModeScene): void {
  it('goes on, and loses nothing, when somebody deletes the consumer', async () => {
    const seen: unknown[] = [];
    const { server } = await scene.handle((payload) => seen.push(payload), { start: 'all' });
    await scene.publish(1);
    await waitFor('the first message', () => seen.includes(1));
    for (const { name } of await scene.bystander.consumers(scene.stream.name)) {
      await scene.bystander.deleteConsumer(scene.stream.name, name);
    }
    await scene.publish(2);
    await waitFor('the second message', () => seen.includes(2));
    await scene.publish(3);
    await waitFor('the third message', () => seen.includes(3));
    await waitFor('a calm loop', () => server.liveness()[0]?.state === 'running');
  });

  it('goes on, and loses nothing, when the connection is lost and comes back', async () => {
    const seen: unknown[] = [];
    // What is on the wire when the connection breaks comes again after the ack wait.
    const { app } = await scene.handle((payload) => seen.push(payload), { ackWaitMs: 1_000, timeoutMs: 999 });
    const bodies = Array.from({ length: 60 }, (_, index) => index);
    for (const body of bodies) {
      if (body % 20 === 10) await app.get(JetStreamConnection).nc.reconnect();
      await scene.publish(body);
    }
    await waitFor('every message', async () => {
      return new Set([...seen, ...(await droppedByServer(scene))]).size === bodies.length;
    });
  });

  it('keeps what it holds, running or waiting, for longer than the ack wait, although the process hangs meanwhile', async () => {
    const attempts: number[] = [];
    const { settled } = await scene.handle(
      async (_, context) => {
        attempts.push(context.attempt);
        // Work that is shorter than the ack wait once, and longer twice.
        await new Promise((resolve) => setTimeout(resolve, 1_900));
      },
      { ackWaitMs: 3_000, timeoutMs: 2_999, concurrency: 1 },
    );
    await scene.publish(1, 2);
    await waitFor('the second start', () => attempts.length === 2);
    hang(1_200);
    await waitFor('both ends', () => settled.length === 2);
    await scene.allAcked();
    expect(attempts).toEqual([1, 1]);
  });

  it('takes nothing while it is paused and loses nothing over it', async () => {
    const seen: unknown[] = [];
    const { server } = await scene.handle((payload) => seen.push(payload));
    await scene.publish(1);
    await waitFor('the first message', () => seen.length === 1);
    await server.pause(scene.durable);
    await scene.publish(2, 3);
    await waitFor('a paused loop', () => server.liveness()[0]?.state === 'paused');
    expect(seen).toEqual([1]);
    await server.resume(scene.durable);
    await waitFor('the others', () => seen.length === 3);
    expect(seen.toSorted()).toEqual([1, 2, 3]);
  });

  it('tells its state, its position and its connection', async () => {
    const started = await scene.handle(() => undefined);
    const { app, server } = started;
    const states: string[] = [];
    const subscription = server.status.subscribe((status) => states.push(status));
    expect(server.unwrap()).toBe(app.get(JetStreamConnection).nc);
    expect(server.liveness()).toContainEqual(
      expect.objectContaining({ stream: scene.stream.name, consumer: scene.durable, state: 'running' }),
    );
    await scene.publish(1);
    await waitFor('nothing pending', async () => {
      const [position] = await server.positions();
      return position?.consumer === scene.durable && position.pending === 0 && position.ackPending === 0;
    });
    await scene.stop(started);
    subscription.unsubscribe();
    expect(states).toEqual(['listening', 'closed']);
  });
}

/** Servers before 2.11.9 may drop what they could not send; it is kept as a dead letter then. */
async function droppedByServer(scene: ModeScene): Promise<unknown[]> {
  const letters = await scene.letters();
  return letters
    .filter((letter) => letter.header('dead-letter-message').includes('before version 2.11.9'))
    .map(({ data }) => JSON.parse(Buffer.from(data).toString()) as unknown);
}

/** As a collection of garbage or a machine that is taken away does. */
function hang(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
