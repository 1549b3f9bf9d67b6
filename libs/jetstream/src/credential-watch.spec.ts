import { afterEach, beforeEach, it } from '@jest/globals';
import { waitFor } from '@slipstream/testing';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CredentialWatch, fingerprintOf } from './credential-watch.js';

let directory: string;
let watch: CredentialWatch | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipstream-credential-watch-'));
});

afterEach(async () => {
  watch?.stop();
  await rm(directory, { recursive: true });
});

it('a file that is replaced between its use and the first look is noticed', async () => {
  const file = join(directory, 'token');
  await writeFile(file, 't-0');
  const used = await fingerprintOf([file]);
  await writeFile(file, 't-1');
  let replaced = 0;
  watch = new CredentialWatch([file], used, () => replaced++);
  await waitFor('the replaced file', () => replaced === 1);
});
