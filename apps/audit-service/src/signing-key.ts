import { createPrivateKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  if (existsSync(file)) return;
  const { privateKey } = generateKeyPairSync('ed25519');
  mkdirSync(dirname(file), { recursive: true });
  // Under its name once it is whole and on the disk: half a key would keep the service from starting, a lost one its
  // heads from being genuine.
  const draft = `${file}.${randomUUID()}`;
  try {
    writeFileSync(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flush: true });
    linkSync(draft, file);
  } catch (error) {
    // Another process was first.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
