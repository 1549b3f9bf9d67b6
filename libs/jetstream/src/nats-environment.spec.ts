import { describe, expect, it } from '@jest/globals';
import { CredentialsError } from './credentials.js';
import { natsCredentials, natsEnvironment } from './nats-environment.js';

const read = (environment: Record<string, string>) => natsCredentials(natsEnvironment.parse(environment));

describe('the NATS credentials of the environment', () => {
  it('are none unless given', () => {
    expect(Object.values(read({})).filter((value) => value !== undefined)).toEqual([]);
  });

  it('name files, and hold secrets that are given as they are', () => {
    expect(
      read({ NATS_TLS_CA: 'ca', NATS_TLS_CERT: 'cert', NATS_TLS_KEY: 'key', NATS_NKEY_SEED_FILE: 'seed' }),
    ).toMatchObject({ caFile: 'ca', certFile: 'cert', keyFile: 'key', nkeySeed: { file: 'seed' } });
    expect(read({ NATS_TOKEN: 't' })).toMatchObject({ token: 't' });
    expect(read({ NATS_USER: 'u', NATS_PASSWORD_FILE: 'p' })).toMatchObject({
      user: 'u',
      password: { file: 'p' },
    });
  });

  it.each([
    [{ NATS_TLS_CERT: 'cert' }, 'NATS_TLS_CERT needs NATS_TLS_KEY'],
    [{ NATS_TLS_KEY: 'key' }, 'NATS_TLS_KEY needs NATS_TLS_CERT'],
    [{ NATS_PASSWORD: 'p' }, 'NATS_PASSWORD needs NATS_USER'],
    [{ NATS_TOKEN: 't', NATS_TOKEN_FILE: 'f' }, 'only one of NATS_TOKEN, NATS_TOKEN_FILE'],
    [{ NATS_NKEY_SEED: 's', NATS_USER: 'u' }, 'only one of NATS_NKEY_SEED, NATS_USER'],
    [
      { NATS_USER: 'u', NATS_PASSWORD: 'p', NATS_PASSWORD_FILE: 'f' },
      'only one of NATS_PASSWORD, NATS_PASSWORD_FILE',
    ],
  ])('are refused when %j', (environment, problem) => {
    expect(() => read(environment as Record<string, string>)).toThrow(CredentialsError);
    expect(() => read(environment as Record<string, string>)).toThrow(problem);
  });
});
