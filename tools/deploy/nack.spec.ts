import { expect, it } from '@jest/globals';
import { renderNack } from './nack.ts';

it('the custom resources are the same on every day', () => {
  const rendered = renderNack();
  expect(rendered).toContain('name: ORDERS\n');
  expect(rendered).not.toMatch(/\d{4}-\d\d-\d\d/);
});
