import {
  contracts,
  EventEncoder,
  newestVersions,
  type EncodedEvent,
  type EventBase,
  type EventContract,
  type ReceivedMessage,
} from '../src/index.js';

const base: EventBase = {
  messageId: '0190b2f4-7d6c-7a3e-8f00-000000000001',
  orderId: '0190b2f4-7d6c-7a3e-8f00-000000000002',
  createdAt: 1_720_000_000_000,
};
const lines = [
  { sku: 'sku-1', quantity: 2, unitPriceMinor: 1_250 },
  { sku: 'SKU.2_b', quantity: 1_000_000, unitPriceMinor: 0 },
];
const reason = 'Zahlung abgelehnt: Karte gesperrt – 支払い拒否 🚫';

const samples: Readonly<Record<string, EventBase & Record<string, unknown>>> = {
  'orders.created': { ...base, customerId: 'cust-123', currency: 'EUR', totalMinor: 2_500, lines },
  'orders.confirmed': { ...base },
  'orders.cancelled': { ...base, reason },
  'payments.completed': { ...base, chargeId: 'ch_1', amountMinor: 9_007_199_254_740_990, currency: 'JPY' },
  'payments.failed': { ...base, reason },
  'payments.refunded': { ...base, chargeId: 'ch_1', amountMinor: 0, currency: 'USD' },
  'inventory.reserved': { ...base, lines },
  'inventory.rejected': { ...base, reason },
  'inventory.released': { ...base },
};

/** An event that uses every field its contract has. */
export function sampleOf({ name }: EventContract): EventBase {
  const sample = samples[name];
  if (!sample) throw new Error(`there is no sample of ${name}`);
  return sample;
}

export function encoderFor(contentType: string): EventEncoder {
  return new EventEncoder({ source: 'sampler', publishes: contracts, contentType });
}

/** What a consumer receives of what was published. */
export function received({ subject, data, headers }: EncodedEvent): ReceivedMessage {
  return { subject, data, header: (name) => headers[name] ?? '' };
}

export function newestOf({ name }: EventContract): EventContract {
  const newest = newestVersions.find((contract) => contract.name === name);
  if (!newest) throw new Error(`there is no ${name}`);
  return newest;
}
