import { afterEach, beforeEach, describe } from '@jest/globals';
import { describeContinuity } from './conformance/continuity.js';
import { ModeScene, type Mode } from './conformance/mode-scene.js';
import { describeProcesses } from './conformance/processes.js';
import { describeSettlement } from './conformance/settlement.js';
import { describeStart } from './conformance/start.js';

const MODES: readonly Mode[] = [
  { delivery: 'pull', isShared: true },
  { delivery: 'push', isShared: true },
  {
    delivery: 'ordered',
    isShared: false,
    forgets: 'the next process reads the stream again from its own start',
  },
  {
    delivery: 'broadcast',
    isShared: false,
    forgets: 'what a process missed concerns nobody once it is gone',
  },
];

/** Declares the suite that every delivery mode passes, against the server at `url()`. */
export function describeConformance(label: string, url: () => string): void {
  describe.each(MODES)(`delivery "$delivery" on ${label}`, (mode) => {
    const scene = new ModeScene(mode, url);

    beforeEach(() => scene.set());

    afterEach(() => scene.clear());

    describeSettlement(scene);
    describeContinuity(scene);
    describeProcesses(scene);
    describeStart(scene);
  });
}
