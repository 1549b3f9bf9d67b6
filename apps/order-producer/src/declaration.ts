import type { ApiDescription } from '@slipstream/bootstrap';

/** What this app answers: for its entry, and for tools that describe it without running it. */
export const declaration = {
  name: 'order-producer',
  api: {
    title: 'Order producer',
    description: 'Creates orders at a steady rate.',
  },
} satisfies { name: string; api: ApiDescription };
