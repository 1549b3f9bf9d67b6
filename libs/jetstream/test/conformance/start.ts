import { expect, it } from '@jest/globals';
import type { StartPosition } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import type { ModeScene } from './mode-scene.js';

export function describeStart(scene: ModeScene): void {
  it.each<[string, (times: Date[]) => StartPosition, unknown[]]>([
    ['all', () => 'all', ['a1', 'a2', 'b1', 'b2', 'later']],
    ['new', () => 'new', ['later']],
    ['last', () => 'last', ['b2', 'later']],
    ['last-per-subject', () => 'last-per-subject', ['a2', 'b2', 'later']],
    ['a sequence', () => ({ sequence: 3 }), ['b1', 'b2', 'later']],
    ['a time', (times) => ({ time: times[3] ?? new Date() }), ['b2', 'later']],
  ])('starts at %s when it is told to', async (_, position, expected) => {
    const seen: unknown[] = [];
    await scene.stop(await scene.handle(() => undefined, { durable: uniqueName('d'), start: 'new' }));
    const times: Date[] = [];
    for (const body of ['a1', 'a2', 'b1', 'b2']) {
      const last = Date.now();
      await waitFor('a later time than that of the message before', () => Date.now() > last);
      times.push(new Date());
      await scene.bystander.publish(scene.stream.subject(body.charAt(0)), JSON.stringify(body));
    }
    const options = { start: position(times), concurrency: 1 };
    const first = await scene.handle((payload) => seen.push(payload), options);
    await scene.publish('later');
    await waitFor('the last message', () => seen.includes('later'));
    expect(seen).toEqual(expected);
    if (!scene.mode.isShared) return;
    await scene.stop(first);
    // The same declaration finds the same durable at its next start, and goes on where it was.
    await scene.handle((payload) => seen.push(payload), options);
    await scene.publish('at last');
    await waitFor('the next message', () => seen.includes('at last'));
    expect(seen).toEqual([...expected, 'at last']);
  });

  it('replays at the original pace when it is told to', async () => {
    const stored: number[] = [];
    const seen: number[] = [];
    await scene.stop(await scene.handle(() => undefined, { durable: uniqueName('d'), start: 'new' }));
    await scene.publish(1);
    // The pace to keep: nothing but time sets the messages of a stream apart.
    await new Promise((resolve) => setTimeout(resolve, 400));
    await scene.publish(2);
    await scene.handle(
      (_, context) => {
        stored.push(context.timestamp.getTime());
        seen.push(Date.now());
      },
      { start: 'all', replay: 'original' },
    );
    await waitFor('both messages', () => seen.length === 2);
    const pace = ([first = 0, second = 0]: number[]) => second - first;
    // The first may be late under load, which shortens the wait for the second.
    expect(pace(seen)).toBeGreaterThan(pace(stored) / 2);
  });
}
