import { expect, it } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';

const CATALOGUE = 'docs/reference/errors.md';
/** `code = 'X'` of a class, and the members of the union of contract codes. */
const IN_CODE = /\bcode(?:: string)? = '([A-Z][A-Z_]+)'|^\s*(?:\|\s*)?'(CONTRACT_[A-Z_]+)'/gm;

function codesOfSources(): string[] {
  const files = globSync(['libs/*/src/**/*.ts', 'apps/*/src/**/*.ts'], { exclude: ['**/*.spec.ts'] });
  const codes = files.flatMap((file) => {
    const matches = readFileSync(file, 'utf8').replaceAll(' | ', '\n| ').matchAll(IN_CODE);
    return [...matches].map(([, ofClass, ofUnion]) => ofClass ?? ofUnion ?? '');
  });
  return [...new Set(codes)].toSorted();
}

it('the catalogue describes every error code there is, and no other', () => {
  const described = [...readFileSync(CATALOGUE, 'utf8').matchAll(/^\| `([A-Z_]+)`/gm)].map(
    ([, code]) => code,
  );
  expect(described.toSorted()).toEqual(codesOfSources());
});
