import { InvalidRequestError, NotFoundError } from '@slipstream/operations';

/** What the process ends with. Documented in docs/reference/cli.md; never renumbered. */
export const EXIT = { ok: 0, failure: 1, usage: 2, drift: 3, notFound: 4 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof NotFoundError) return EXIT.notFound;
  if (error instanceof InvalidRequestError) return EXIT.usage;
  return EXIT.failure;
}
