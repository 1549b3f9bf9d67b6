import { describe, expect, it } from '@jest/globals';
import { AckPolicy, DeliverPolicy, ReplayPolicy, type ConsumerConfig } from '@nats-io/jetstream';
import { compareConsumer } from './compare-consumers.js';

const actual = (filters: Partial<ConsumerConfig>): ConsumerConfig => ({
  durable_name: 'd',
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  replay_policy: ReplayPolicy.Instant,
  ...filters,
});

function changes(filters: Partial<ConsumerConfig>, wanted: string[]) {
  const config = { durable_name: 'd', filter_subjects: wanted };
  return compareConsumer(actual(filters), { stream: 'S', config });
}

const steps = (filters: string[], wanted: string[]) =>
  changes({ filter_subjects: filters }, wanted).map((change) => [change.class, change.wanted]);

describe('the comparison of what a consumer reads', () => {
  it.each([
    ['the same in another order', ['a', 'b'], ['b', 'a'], []],
    ['more', ['a'], ['a', 'b'], [['safe', ['a', 'b']]]],
    ['more by a wildcard', ['a.x', 'b'], ['a.*', 'b'], [['safe', ['a.*', 'b']]]],
    ['less', ['a', 'b'], ['a'], [['needs-migration', ['a']]]],
    ['less of a wildcard', ['a.*'], ['a.x'], [['needs-migration', ['a.x']]]],
    [
      'something else',
      ['a'],
      ['b'],
      [
        ['safe', ['a', 'b']],
        ['needs-migration', ['b']],
      ],
    ],
    ['what overlaps with what was there', ['a.*.x'], ['a.x.*'], [['needs-migration', ['a.x.*']]]],
  ])('plans %s', (_, filters, wanted, expected) => {
    expect(steps(filters, wanted)).toEqual(expected);
  });

  it('knows a consumer with a single filter', () => {
    expect(changes({ filter_subject: 'a' }, ['a'])).toEqual([]);
    expect(changes({ filter_subject: 'a' }, ['a', 'b'])).toMatchObject([
      { class: 'safe', wanted: ['a', 'b'] },
    ]);
  });

  it('completes a consumer made by hand without filters', () => {
    expect(changes({}, ['a'])).toMatchObject([{ class: 'safe', wanted: ['a'] }]);
  });

  it('says what follows', () => {
    expect(changes({ filter_subjects: ['a'] }, ['b']).map(({ description }) => description)).toEqual([
      'consumer d on S: also reads b, from its present position on',
      'consumer d on S: reads only b; what waits for it on a is passed over for good',
    ]);
  });
});
