/** An order as order-service takes it. */
export interface Order {
  readonly customerId: string;
  /** ISO 4217 code. */
  readonly currency: string;
  readonly lines: readonly OrderLine[];
}

export interface OrderLine {
  readonly sku: string;
  readonly quantity: number;
  /** Price of one piece in minor units. */
  readonly unitPriceMinor: number;
}

const CUSTOMERS = 20_000;
const MAX_LINES = 3;
const CURRENCIES = ['EUR', 'EUR', 'EUR', 'USD', 'GBP'] as const;

/** Price of the smallest pack, in minor units. */
const GOODS = [
  ['COFFEE-ESPRESSO', 890],
  ['COFFEE-FILTER', 790],
  ['COFFEE-DECAF', 940],
  ['COFFEE-ETHIOPIA', 1290],
  ['COFFEE-COLOMBIA', 1150],
  ['TEA-ASSAM', 640],
  ['TEA-DARJEELING', 820],
  ['TEA-SENCHA', 990],
  ['TEA-ROOIBOS', 520],
  ['CHOCOLATE-70', 390],
  ['CHOCOLATE-MILK', 340],
  ['HONEY-ACACIA', 710],
  ['HONEY-FOREST', 760],
  ['GRANOLA-NUT', 580],
  ['GRANOLA-BERRY', 610],
  ['OIL-OLIVE', 1490],
] as const;

const PACKS = [
  ['S', 1],
  ['M', 1.8],
  ['L', 3.4],
  ['XL', 6.5],
] as const;

const CATALOGUE = GOODS.flatMap(([good, price]) =>
  PACKS.map(([pack, factor]) => ({ sku: `${good}-${pack}`, unitPriceMinor: Math.round(price * factor) })),
);

/** Makes up an order: a customer who always pays in one currency, and 1 to 3 lines of different goods. */
export function createRandomOrder(random: () => number = Math.random): Order {
  const customer = pick(random, CUSTOMERS);
  const wanted = new Set<number>();
  const lines = 1 + pick(random, MAX_LINES);
  while (wanted.size < lines) {
    wanted.add(pick(random, CATALOGUE.length));
  }
  return {
    customerId: `cust-${String(customer).padStart(6, '0')}`,
    currency: CURRENCIES[customer % CURRENCIES.length] ?? 'EUR',
    lines: CATALOGUE.filter((_good, index) => wanted.has(index)).map((good) => ({
      ...good,
      quantity: pickQuantity(random),
    })),
  };
}

/** Mostly one piece, seldom more than three. */
function pickQuantity(random: () => number): number {
  return 1 + Math.floor(random() ** 3 * 5);
}

function pick(random: () => number, count: number): number {
  return Math.floor(random() * count);
}
