import { expect, it } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';
import { ListSegmentsDto } from './audit.dto.js';

it.each([
  ['0', true],
  ['9007199254740991', true],
  ['9007199254740993', false],
  ['1e30', false],
  ['-1', false],
])('segments can be listed after %s: %s', async (after, isValid) => {
  const errors = await validate(plainToInstance(ListSegmentsDto, { after }));
  expect(errors.length === 0).toBe(isValid);
});
