import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSigningKey } from './signing-key.js';

describe('the key that signs the audit log', () => {
  let directory: string;
  const file = () => join(directory, 'keys', 'audit.pem');

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'slipstream-key-'));
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it('is made once, for its owner alone, and is whole as soon as its file is there', () => {
    const key = loadSigningKey(file());
    expect(loadSigningKey(file()).equals(key)).toBe(true);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    // A draft that stayed would be a second key; a file that was written under its name could be half a key.
    expect(readdirSync(join(directory, 'keys'))).toEqual(['audit.pem']);
  });

  it('is never replaced: what it signed would count as forged', () => {
    loadSigningKey(file());
    writeFileSync(file(), 'no key');
    expect(() => loadSigningKey(file())).toThrow(/unsupported|DECODER/i);
    expect(readdirSync(join(directory, 'keys'))).toEqual(['audit.pem']);
  });
});
