import type { ApiDescription } from '@slipstream/bootstrap';

/** What this app answers: for its entry, and for tools that describe it without running it. */
export const declaration = {
  name: 'payment-gateway',
  api: {
    title: 'Payment gateway',
    description: 'Simulator of an external payment provider, with faults to order.',
  },
} satisfies { name: string; api: ApiDescription };
