/** Currencies whose minor unit is not a hundredth (ISO 4217, list one of 2024). The runtime's own data are CLDR's. */
const DIGITS: Readonly<Record<string, number>> = {
  ...fromList(0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'),
  ...fromList(3, 'BHD IQD JOD KWD LYD OMR TND'),
  ...fromList(4, 'CLF UYW'),
};

/** Number of decimals of a currency's minor unit, such as 2 for EUR and 0 for JPY. */
export function minorDigits(currency: string): number {
  return DIGITS[currency] ?? 2;
}

/**
 * Converts an amount in major units, as `orders.created.v1` carries it, into minor units: half away from zero on the
 * shortest decimal that reads back as the same double, so 1.005 becomes 101 although the double lies below 1.005.
 */
export function toMinorUnits(amount: number, currency: string): number {
  const [mantissa = '0', exponent = '0'] = String(Math.abs(amount)).split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  const digits = whole + fraction;
  // Where the point comes to be. Digits are moved, not multiplied: a product is rounded before it can be rounded here.
  const point = whole.length + Number(exponent) + minorDigits(currency);
  const units = point > 0 ? Number(digits.slice(0, point).padEnd(point, '0')) : 0;
  const isRoundedUp = point >= 0 && (digits[point] ?? '0') >= '5';
  return Math.sign(amount) * (isRoundedUp ? units + 1 : units);
}

/** The amount in major units, as `orders.created.v1` carries it. */
export function toMajorUnits(amountMinor: number, currency: string): number {
  return Number(`${amountMinor}e-${minorDigits(currency)}`);
}

function fromList(digits: number, currencies: string): Record<string, number> {
  return Object.fromEntries(currencies.split(' ').map((currency) => [currency, digits]));
}
