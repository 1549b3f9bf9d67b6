import { describe, expect, it } from '@jest/globals';
import { inboxRetentionMs, streamEnvironment } from './environment.js';

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

describe('the retention of an inbox', () => {
  const DAY_MS = 86_400_000;
  const retention = (days: { inbox?: number; stream?: number; outbox?: number }) =>
    inboxRetentionMs({
      INBOX_RETENTION: days.inbox && days.inbox * DAY_MS,
      STREAM_MAX_AGE: days.stream && days.stream * DAY_MS,
      OUTBOX_RETENTION: (days.outbox ?? 7) * DAY_MS,
    }) / DAY_MS;

  it('is a day longer than any message may come again after, unless given', () => {
    expect([retention({}), retention({ stream: 14 }), retention({ stream: 1, outbox: 30 })]).toEqual([
      8, 15, 31,
    ]);
    expect(retention({ inbox: 20, stream: 14 })).toBe(20);
  });

  it('is refused when a message may come again after it', () => {
    expect(() => retention({ inbox: 8, stream: 14 })).toThrow('shorter than STREAM_MAX_AGE');
    expect(() => retention({ inbox: 8, outbox: 30 })).toThrow('shorter than OUTBOX_RETENTION');
  });
});
