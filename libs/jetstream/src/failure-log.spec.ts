import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { resolveJetStreamOptions } from './jetstream.options.js';
import type { SettledDelivery, SettlementOutcome } from './observer.js';

const settled = (outcome: SettlementOutcome, isFailed = true): SettledDelivery => ({
  stream: 'ORDERS',
  consumer: 'billing-orders',
  subject: 'orders.created.v1',
  pattern: 'orders.created.*',
  sequence: 7,
  attempt: 2,
  deliveryCount: 2,
  messageId: 'a',
  attributes: {},
  outcome,
  durationMs: 1,
  ageMs: 1,
  ...(isFailed && {
    failure: { code: 'UNKNOWN', errorClass: 'TypeError', message: 'no price', stack: 'TypeError: no price' },
  }),
});

describe('without an observer', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('failures of handlers are logged, and nothing else', () => {
    const warnings = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const errors = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const { observer } = resolveJetStreamOptions({ service: 'shop', connection: {}, streams: [] });
    observer.settled(settled('handled', false));
    observer.settled(settled('retried'));
    observer.settled(settled('dead-lettered'));
    const line = 'orders.created.v1 (ORDERS 7) for billing-orders: %s at attempt 2, TypeError: no price';
    expect(warnings.mock.calls).toEqual([[line.replace('%s', 'retried')]]);
    expect(errors.mock.calls).toEqual([[line.replace('%s', 'dead-lettered'), 'TypeError: no price']]);
  });
});
