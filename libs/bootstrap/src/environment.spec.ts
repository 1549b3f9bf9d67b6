import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { EnvironmentError, parseEnvironment, readEnvironment } from './environment.js';

const schema = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3010),
  DATABASE_URL: z.url(),
  LOG_LEVEL: z.enum(['info', 'debug']).default('info'),
});

describe('environment', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('is typed and completed with defaults', () => {
    const config = readEnvironment(schema, {
      PORT: '8080',
      DATABASE_URL: 'postgres://db/orders',
      HOME: '/root',
    });
    expect(config).toEqual({ PORT: 8080, DATABASE_URL: 'postgres://db/orders', LOG_LEVEL: 'info' });
  });

  it.each(['', ' ', '\n'])('treats the empty variable %j as unset, so that its default applies', (empty) => {
    expect(readEnvironment(schema, { PORT: empty, DATABASE_URL: 'postgres://db/orders' }).PORT).toBe(3010);
  });

  it('is read from files where secrets are mounted, unless it is given itself', () => {
    const directory = mkdtempSync(join(tmpdir(), 'slipstream-environment-'));
    const file = join(directory, 'url');
    writeFileSync(file, 'postgres://db/mounted\n');
    const mounted = { DATABASE_URL_FILE: file };
    expect(readEnvironment(schema, mounted).DATABASE_URL).toBe('postgres://db/mounted');
    const given = { ...mounted, DATABASE_URL: 'postgres://db/given' };
    expect(readEnvironment(schema, given).DATABASE_URL).toBe('postgres://db/given');
    rmSync(directory, { recursive: true });
    expect(() => readEnvironment(schema, mounted)).toThrow(
      `DATABASE_URL_FILE: ${file} cannot be read (ENOENT)`,
    );
  });

  it('leaves files alone that the schema asks for itself', () => {
    const own = z.object({ SEED: z.string().optional(), SEED_FILE: z.string().optional() });
    expect(readEnvironment(own, { SEED_FILE: '/not/there' })).toEqual({ SEED_FILE: '/not/there' });
  });

  it('names every wrong variable and the reason in one error, without values', () => {
    const read = () => readEnvironment(schema, { PORT: 'https://secret', LOG_LEVEL: 'loud' });
    expect(read).toThrow(EnvironmentError);
    expect(read).toThrow(
      [
        'The environment is not valid:',
        '  PORT: Invalid input: expected number, received NaN',
        '  DATABASE_URL: is missing',
        '  LOG_LEVEL: Invalid option: expected one of "info"|"debug"',
      ].join('\n'),
    );
    expect(read).not.toThrow(/secret/);
  });

  it('says why a variable is needed where the schema knows', () => {
    const reason = { path: ['TOKEN'], message: 'is needed where others reach it' };
    const own = z.object({ TOKEN: z.string().optional() }).refine(({ TOKEN }) => TOKEN !== undefined, reason);
    expect(() => readEnvironment(own, {})).toThrow('TOKEN: is needed where others reach it');
  });

  it('ends the process with code 1 and the message alone when it is not valid', () => {
    const written: string[] = [];
    jest.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
    jest.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${String(code)}`);
    });
    expect(() => parseEnvironment(schema, {})).toThrow('exit 1');
    expect(written).toEqual(['The environment is not valid:\n  DATABASE_URL: is missing\n']);
  });
});
