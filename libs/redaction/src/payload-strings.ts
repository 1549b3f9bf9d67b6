/** Shorter ones are words and numbers that texts have of their own. */
const SHORTEST = 8;
const MAX_STRINGS = 1_000;

/**
 * The texts a payload holds at any depth, the longest first, so that none is left over in part when it is replaced.
 * @param known texts that may be told, such as ids
 */
export function payloadStrings(payload: unknown, known: readonly (string | undefined)[] = []): string[] {
  const found = new Set<string>();
  const waiting: unknown[] = [payload];
  // What was plain data may have been closed to a circle since.
  const seen = new Set<object>();
  for (let next = waiting.pop(); found.size < MAX_STRINGS; next = waiting.pop()) {
    if (typeof next === 'string') {
      if (next.length >= SHORTEST && !known.includes(next)) found.add(next);
    } else if (typeof next === 'object' && next !== null && !ArrayBuffer.isView(next) && !seen.has(next)) {
      seen.add(next);
      waiting.push(...Object.values(next).slice(0, MAX_STRINGS));
    }
    if (waiting.length === 0) break;
  }
  return [...found].toSorted((a, b) => b.length - a.length);
}
