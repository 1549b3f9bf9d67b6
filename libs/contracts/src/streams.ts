/** Streams of the order system; each bounded context owns one. */
export const streams = [
  { name: 'ORDERS', subjects: ['orders.*.*'], deadLetterSubject: 'orders.dlq' },
  { name: 'PAYMENTS', subjects: ['payments.*.*'], deadLetterSubject: 'payments.dlq' },
  { name: 'INVENTORY', subjects: ['inventory.*.*'], deadLetterSubject: 'inventory.dlq' },
] as const;
