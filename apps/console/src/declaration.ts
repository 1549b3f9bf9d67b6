import type { ApiDescription } from '@slipstream/bootstrap';

/** What this app answers: for its entry, and for tools that describe it without running it. */
export const declaration = {
  name: 'console',
  api: {
    title: 'Operations console',
    description:
      'Inspects and operates streams, consumers and dead letters, as the command line does. Where CONSOLE_TOKEN is set, everything but /api/about wants it: Authorization: Bearer.',
  },
} satisfies { name: string; api: ApiDescription };
