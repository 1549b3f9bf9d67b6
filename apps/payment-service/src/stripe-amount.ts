import { toMinorUnits } from '@slipstream/contracts';

/** Currencies in which Stripe counts whole units although others have hundredths, or the other way round. */
const ZERO_DECIMALS = new Set('BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' '));
/** Stripe takes them in thousandths whose last digit is 0. */
const THREE_DECIMALS = new Set('BHD JOD KWD OMR TND'.split(' '));
/** Have no decimals any more, but Stripe still takes hundredths, whole hundreds of them. */
const FORMER_TWO_DECIMALS = new Set(['ISK', 'UGX']);

/**
 * An amount in Stripe's smallest unit of a currency.
 * @returns undefined when Stripe cannot charge exactly that much: it is not rounded, or somebody pays another price
 */
export function toStripeAmount(amountMinor: number, currency: string): number | undefined {
  const [units, minorUnits] = [unitsOf(currency), toMinorUnits(1, currency)];
  // One is a multiple of the other. A product of both steps could be more than a number holds exactly.
  const amount =
    units >= minorUnits ? amountMinor * (units / minorUnits) : amountMinor / (minorUnits / units);
  const step = THREE_DECIMALS.has(currency) ? 10 : FORMER_TWO_DECIMALS.has(currency) ? 100 : 1;
  return Number.isSafeInteger(amount) && amount % step === 0 ? amount : undefined;
}

/** Stripe's smallest units in one unit of the currency. */
function unitsOf(currency: string): number {
  if (ZERO_DECIMALS.has(currency)) return 1;
  return THREE_DECIMALS.has(currency) ? 1_000 : 100;
}
