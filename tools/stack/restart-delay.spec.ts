import { expect, it } from '@jest/globals';
import { restartDelayMs } from './restart-delay.ts';

it('the delay before a restart doubles with each failure in a row, up to five seconds', () => {
  expect([1, 2, 3, 4, 5, 6, 60].map(restartDelayMs)).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
});
