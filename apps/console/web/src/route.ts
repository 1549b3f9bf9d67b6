import { createSubscriber } from 'svelte/reactivity';
import type { DeadLetterQuery } from '../../src/api.js';
import { FILTER_FIELDS } from './letter-filter.js';

export type Route =
  | { readonly page: 'overview' | 'checks' | 'unknown' }
  | { readonly page: 'dead-letters'; readonly filter: DeadLetterQuery }
  | { readonly page: 'dead-letter'; readonly id: string }
  | { readonly page: 'consumer'; readonly stream: string; readonly consumer: string }
  | { readonly page: 'trace'; readonly id: string; readonly since: string };

const listen = createSubscriber((update) => {
  window.addEventListener('hashchange', update);
  return () => window.removeEventListener('hashchange', update);
});

/** Where the address of the page says to be; reactive. */
export function currentRoute(): Route {
  listen();
  return parseRoute(location.hash);
}

export const linkTo = {
  overview: '#/',
  checks: '#/checks',
  deadLetters: (filter: DeadLetterQuery = {}) => `#/dead-letters${toSearch({ ...filter })}`,
  deadLetter: (id: string) => `#/dead-letters/${encodeURIComponent(id).replace('%3A', ':')}`,
  consumer: (stream: string, consumer: string) =>
    `#/consumers/${encodeURIComponent(stream)}/${encodeURIComponent(consumer)}`,
  trace: (id = '', since = '') => `#/trace/${encodeURIComponent(id)}${since && toSearch({ since })}`,
};

export function goTo(link: string): void {
  location.hash = link;
}

export function parseRoute(hash: string): Route {
  const { page, first, second, query } = split(hash);
  switch (page) {
    case '':
      return { page: 'overview' };
    case 'checks':
      return { page: 'checks' };
    case 'dead-letters':
      return first === ''
        ? { page: 'dead-letters', filter: toFilter(query) }
        : { page: 'dead-letter', id: first };
    case 'consumers':
      return { page: 'consumer', stream: first, consumer: second };
    case 'trace':
      return { page: 'trace', id: first, since: query.get('since') ?? '' };
    default:
      return { page: 'unknown' };
  }
}

function split(hash: string) {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [page = '', first = '', second = ''] = path.split('/').map(decode);
  return { page, first, second, query: new URLSearchParams(search) };
}

function toFilter(query: URLSearchParams): DeadLetterQuery {
  const given = FILTER_FIELDS.flatMap(({ field }) => {
    const value = query.get(field);
    return value === null ? [] : [[field, value]];
  });
  return Object.fromEntries(given) as DeadLetterQuery;
}

function toSearch(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

/** An address may be typed by hand. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
