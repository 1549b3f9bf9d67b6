/**
 * What a later attempt may find otherwise: connection exceptions, deadlocks and serialization failures, a server that
 * was made read-only, exhausted resources, locks and statements that took too long, a server that starts, stops or
 * cannot reach its disk.
 */
const UNAVAILABLE_STATES = /^(08\w{3}|40001|40P01|25006|53\w{3}|55P03|57014|57P0[123]|58\w{3})$/;
/** Those that no statement can cause by itself: another try of a deadlock or of a slow statement must have an end. */
const AWAY_STATES = /^(08(?!P01)\w{3}|25006|53\w{3}|57P0[123]|58\w{3})$/;
const UNAVAILABLE_SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** Protocol violation. A statement can cause one, but PgBouncer also says with it that it has no server, and hangs up. */
const POOLER_STATE = '08P01';
/** The driver gives these errors no code, nor does TypeORM when a connection ended between two statements. */
const UNAVAILABLE_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client (has encountered|was closed)|Query runner already released)/;

/** SQLSTATE or system code of an error of the database or of TypeORM around it. */
export function databaseErrorCode(error: unknown): string | undefined {
  const { code } = cause(error) ?? {};
  return typeof code === 'string' ? code : undefined;
}

/** True when the database could not do it now, whatever was asked. */
export function isDatabaseUnavailable(error: unknown): boolean {
  return isToldBy(error, UNAVAILABLE_STATES);
}

/** True when the database itself was away, stopping, full or read-only: the statement cannot be at fault. */
export function isDatabaseAway(error: unknown): boolean {
  return isToldBy(error, AWAY_STATES);
}

function isToldBy(error: unknown, states: RegExp): boolean {
  const origin = cause(error);
  if (!origin) return false;
  const { code, severity } = origin;
  if (code === POOLER_STATE && severity === 'FATAL') return true;
  if (typeof code === 'string') return states.test(code) || UNAVAILABLE_SYSTEM_CODES.has(code);
  return UNAVAILABLE_MESSAGES.test(origin.message);
}

function cause(error: unknown): (Error & { code?: unknown; severity?: unknown }) | undefined {
  if (!(error instanceof Error)) return undefined;
  const { driverError } = error as { driverError?: unknown };
  return driverError instanceof Error && driverError !== error ? cause(driverError) : error;
}
