import { describe, expect, it } from '@jest/globals';
import { rangesOf } from './relay-batch.js';

describe('ranges of ids', () => {
  it.each([
    [[], []],
    [[7], [[7, 7]]],
    [[1, 2, 3], [[1, 3]]],
    [
      [1, 3, 4, 9],
      [
        [1, 1],
        [3, 4],
        [9, 9],
      ],
    ],
    [[4, 1, 3, 2], [[1, 4]]],
    [[0, 1], [[0, 1]]],
  ])('of %j are %j', (ids: number[], ranges: number[][]) => {
    expect(rangesOf(ids)).toEqual(ranges);
  });
});
