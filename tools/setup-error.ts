/** A failure that the user can put right: its message says how, so no stack trace is shown. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}

/** Errors of Node.js itself are not `instanceof Error` where tests run: they are told by their fields. */
export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : String(error);
}
