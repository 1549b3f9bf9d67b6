import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Reads an Ed25519 private key in PEM, or creates one that only its owner can read. Whoever has this file can sign a
 * forged log; whoever only has the database or the streams cannot.
 * @throws when the file holds no Ed25519 key
 */
export function loadSigningKey(file: string): KeyObject {
  createIfMissing(file);
  const key = createPrivateKey(readFileSync(file));
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new Error(`AUDIT_SIGNING_KEY_FILE: ${file} must hold an Ed25519 key, not ${key.asymmetricKeyType}`);
  }
  return key;
}

function createIfMissing(file: string): void {
  const { privateKey } = generateKeyPairSync('ed25519');
  mkdirSync(dirname(file), { recursive: true });
  try {
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
