/** Passwords in URLs, and what follows the name of an authentication scheme. */
const CREDENTIALS = /(?<=\/\/[^\s/:@]*:)[^\s/]+(?=@)|(?<=\b(?:bearer|basic)\s)[\w+/=.~-]{4,}/gi;
/** V8 quotes the text that it could not parse. */
const QUOTED_JSON = /(?:\.\.\.)?"[^]*"(?:\.\.\.)? is not valid JSON/;
/** What may be the begin of a password whose end was cut off. */
const UNFINISHED = /(?<=\/\/[^\s/:@]*:)[^\s/]+$/;
const REMOVED = '[redacted]';

/**
 * A text for logs, headers and spans without credentials, without the text a JSON parser quotes, and without the values
 * that are given.
 * @param longest characters that are kept
 */
export function redact(text: string, longest: number, values: readonly string[] = []): string {
  // What is cut off first needs no search.
  let kept = cut(text, longest * 2, values);
  kept = kept.replace(QUOTED_JSON, 'the text is not valid JSON').replace(CREDENTIALS, REMOVED);
  for (const value of values) kept = kept.replaceAll(value, REMOVED);
  return kept.slice(0, longest);
}

/** At most so long, and shorter where a value or a password would be cut: what is left of one is not found any more. */
function cut(text: string, longest: number, values: readonly string[]): string {
  if (text.length <= longest) return text;
  let end = longest;
  for (const value of values) {
    const begin = Math.max(0, end - value.length + 1);
    const at = text.slice(begin, end + value.length - 1).indexOf(value);
    if (at >= 0) end = begin + at;
  }
  return text.slice(0, end).replace(UNFINISHED, REMOVED);
}
