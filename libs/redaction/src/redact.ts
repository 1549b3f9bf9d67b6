/** Passwords in URLs, and what follows the name of an authentication scheme. */
const CREDENTIALS = /(?<=\/\/[^\s/:@]*:)[^\s/@]+(?=@)|(?<=\b(?:bearer|basic)\s)[\w+/=.~-]{4,}/gi;
/** V8 quotes the text that it could not parse. */
const QUOTED_JSON = /(?:\.\.\.)?"[^]*"(?:\.\.\.)? is not valid JSON/;
const REMOVED = '[redacted]';

/**
 * A text for logs, headers and spans without credentials, without the text a JSON parser quotes, and without the values
 * that are given.
 * @param longest characters that are kept
 */
export function redact(text: string, longest: number, values: readonly string[] = []): string {
  // What is cut off first needs no search; the rest of a value that is cut must not remain.
  let kept = text.slice(0, longest * 2);
  kept = kept.replace(QUOTED_JSON, 'the text is not valid JSON').replace(CREDENTIALS, REMOVED);
  for (const value of values) kept = kept.replaceAll(value, REMOVED);
  return kept.slice(0, longest);
}
