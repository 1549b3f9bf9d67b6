import { hash } from 'node:crypto';
import type { QueryConfig } from 'pg';

/** More are written by hand nowhere: what comes beyond is made up as it goes, and the server keeps each for good. */
const MOST_STATEMENTS = 500;
const names = new Map<string, string>();

/**
 * Gives a query with parameters a name, by which the server parses and plans it once for each connection instead of each
 * time. Other queries stay as they are.
 */
export function prepared(args: readonly unknown[]): readonly unknown[] {
  const [text, values, ...rest] = args;
  if (typeof text !== 'string' || !Array.isArray(values) || values.length === 0) return args;
  const name = nameOf(text);
  return name === undefined ? args : [{ name, text, values } satisfies QueryConfig, ...rest];
}

function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= MOST_STATEMENTS) return known;
  const name = hash('sha256', text).slice(0, 32);
  names.set(text, name);
  return name;
}
