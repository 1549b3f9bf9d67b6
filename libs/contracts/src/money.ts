/**
 * Number of decimals of a currency's minor unit (ISO 4217), such as 2 for EUR and 0 for JPY.
 * @throws RangeError when the code is not three letters
 */
export function minorDigits(currency: string): number {
  let digits = digitsByCurrency.get(currency);
  if (digits === undefined) {
    const format = new Intl.NumberFormat('en', { style: 'currency', currency });
    digits = format.resolvedOptions().maximumFractionDigits ?? 2;
    digitsByCurrency.set(currency, digits);
  }
  return digits;
}

/**
 * Converts an amount in major units, as `orders.created.v1` carries it, into minor units: half away from zero on the
 * shortest decimal that reads back as the same double, so 1.005 becomes 101 although the double lies below 1.005.
 */
export function toMinorUnits(amount: number, currency: string): number {
  const digits = minorDigits(currency);
  const [mantissa = '0', exponent = '0'] = String(Math.abs(amount)).split('e');
  const shifted = Number(`${mantissa}e${Number(exponent) + digits}`);
  return Math.sign(amount) * Math.round(shifted);
}

/** The amount in major units, as `orders.created.v1` carries it. */
export function toMajorUnits(amountMinor: number, currency: string): number {
  return Number(`${amountMinor}e-${minorDigits(currency)}`);
}

const digitsByCurrency = new Map<string, number>();
