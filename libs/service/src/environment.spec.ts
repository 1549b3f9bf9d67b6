import { describe, expect, it } from '@jest/globals';
import { streamEnvironment } from './environment.js';

describe('the limits of streams in the environment', () => {
  it('are none unless given', () => {
    expect(streamEnvironment.parse({})).toEqual({ STREAM_REPLICAS: 1 });
  });

  it('take an age with its unit', () => {
    const ages = ['90s', '30min', '12h', '14d'].map(
      (text) => streamEnvironment.parse({ STREAM_MAX_AGE: text }).STREAM_MAX_AGE,
    );
    expect(ages).toEqual([90_000, 1_800_000, 43_200_000, 1_209_600_000]);
  });

  it('refuse an age without a unit', () => {
    expect(() => streamEnvironment.parse({ STREAM_MAX_AGE: '14' })).toThrow('such as 14d');
  });
});
