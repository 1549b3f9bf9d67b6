/** A failure that the user can put right: its message says how, so no stack trace is shown. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
