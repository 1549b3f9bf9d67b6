import { expect, it } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';

const CATALOGUE = 'docs/reference/errors.md';
/** What a class or an object has as its `code`, and everything else that looks like a code of ours. */
const IN_CODE = /\bcode(?:: string)? = '([A-Z][A-Z_]+)'|'((?:CLI|CONTRACT)_[A-Z_]+)'|\?\? '(UNKNOWN)'/g;

function codesOfSources(): string[] {
  const files = globSync(['libs/*/src/**/*.ts', 'apps/*/src/**/*.ts'], { exclude: ['**/*.spec.ts'] });
  const codes = files.flatMap((file) => {
    return [...readFileSync(file, 'utf8').matchAll(IN_CODE)].map(
      ([, ...groups]) => groups.find(Boolean) ?? '',
    );
  });
  return [...new Set(codes)].toSorted();
}

it('the catalogue describes every error code there is, and no other', () => {
  const described = [...readFileSync(CATALOGUE, 'utf8').matchAll(/^\| `([A-Z_]+)`/gm)].map(
    ([, code]) => code,
  );
  expect(described.toSorted()).toEqual(codesOfSources());
});
