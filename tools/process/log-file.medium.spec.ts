import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { limitLogSize, sizeOfLog } from './log-file.ts';

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-log-'));
  file = join(directory, 'app.log');
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('a log that has grown too long begins anew, with its older part beside it', () => {
  writeFileSync(file, 'too long');
  limitLogSize(file, 5);
  expect(sizeOfLog(file)).toBe(0);
  expect(readFileSync(`${file}.1`, 'utf8')).toBe('too long');
});

it('a log whose older part cannot be kept begins anew all the same', () => {
  writeFileSync(file, 'too long');
  mkdirSync(`${file}.1`);
  limitLogSize(file, 5);
  expect(sizeOfLog(file)).toBe(0);
});
