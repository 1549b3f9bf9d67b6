import { expect, it } from '@jest/globals';
import { JetStreamApiError } from '@nats-io/jetstream';
import { AttemptLedger } from './attempt-ledger.js';
import { parseDeliveryInfo, type DeliveryInfo } from './delivery-info.js';

const delivery = parseDeliveryInfo('$JS.ACK.ORDERS.audit.2.7.9.1700000000000000000.0') as DeliveryInfo;

/** Stores one entry as a bucket does; the answer to the first write is lost. */
function forgetfulBucket() {
  let stored: { readonly text: string; readonly revision: number } | undefined;
  let isLost = false;
  return {
    get: () =>
      Promise.resolve(
        stored ? { json: <T>() => JSON.parse(stored?.text ?? '') as T, revision: stored.revision } : null,
      ),
    put: (_key: string, text: string, { previousSeq }: { previousSeq?: number } = {}) => {
      const revision = stored?.revision ?? 0;
      if (previousSeq !== undefined && previousSeq !== revision) {
        const wrong = { code: 400, err_code: 10_071, description: 'wrong last sequence' };
        return Promise.reject(new JetStreamApiError(wrong));
      }
      stored = { text, revision: revision + 1 };
      if (isLost) return Promise.resolve(stored.revision);
      isLost = true;
      return Promise.reject(new Error('time-out'));
    },
  };
}

it('a start whose record was stored though the answer was lost counts once', async () => {
  const bucket = forgetfulBucket();
  const ledger = await AttemptLedger.open(() => Promise.resolve(bucket));
  expect(await ledger.start(delivery)).toBe(2);
  expect(await ledger.start(delivery)).toBe(3);
});
