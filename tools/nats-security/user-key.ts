import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { replaceFile } from './replace-file.ts';

const SEED = 'user.nk';
/** Public key that a rotation has replaced and that servers still let in. */
const FORMER = 'user.former.pub';

/** File of the seed in the directory of a role. */
export function seedFileOf(directory: string): string {
  return join(directory, SEED);
}

/** Makes the key of a NATS user where there is none. */
export function ensureUserKey(directory: string): void {
  if (!existsSync(seedFileOf(directory))) writeSeed(directory);
}

/** Makes another key; servers go on letting the one before in until `retireUserKey`. */
export function rotateUserKey(directory: string): void {
  const [current = ''] = publicKeysOf(directory);
  writeSeed(directory);
  replaceFile(join(directory, FORMER), `${current}\n`);
}

/** Ends what a rotation has replaced. */
export function retireUserKey(directory: string): void {
  rmSync(join(directory, FORMER), { force: true });
}

/** Public keys that servers let in, the present one first. */
export function publicKeysOf(directory: string): string[] {
  const seed = readFileSync(seedFileOf(directory), 'utf8').trim();
  const current = nkeys.fromSeed(Buffer.from(seed)).getPublicKey();
  const former = join(directory, FORMER);
  return existsSync(former) ? [current, readFileSync(former, 'utf8').trim()] : [current];
}

function writeSeed(directory: string): void {
  const seed = Buffer.from(nkeys.createUser().getSeed()).toString();
  replaceFile(seedFileOf(directory), `${seed}\n`, 0o600);
}
