import { z } from 'zod';
import { CredentialsError, type NatsCredentials, type Secret } from './credentials.js';

const file = z.string().min(1).optional();
const secret = z.string().min(1).optional();

/** Variables that say where NATS is and how to prove who asks; also the operator's tools read them. */
export const natsEnvironment = z.object({
  NATS_URL: z.string().min(1).default('nats://localhost:4222').describe('NATS servers, separated by commas.'),
  NATS_TLS_CA: file.describe(
    "File with the certificates (PEM) of the authorities that signed the servers'. With it nothing but TLS is spoken.",
  ),
  NATS_TLS_CERT: file.describe(
    'File with the certificate (PEM) of this process, for servers that ask for one.',
  ),
  NATS_TLS_KEY: file.describe('File with the key (PEM) of that certificate.'),
  // At most one of nkey, creds, token and user.
  NATS_NKEY_SEED: secret.describe('Seed of an nkey user.'),
  NATS_NKEY_SEED_FILE: file.describe('File with that seed.'),
  NATS_CREDS_FILE: file.describe('File (`.creds`) with a JWT and its seed.'),
  NATS_TOKEN: secret.describe('Token.'),
  NATS_TOKEN_FILE: file.describe('File with the token.'),
  NATS_USER: z.string().min(1).optional().describe('Name of a user with a password.'),
  NATS_PASSWORD: secret.describe('Password of that user.'),
  NATS_PASSWORD_FILE: file.describe('File with that password.'),
  NATS_INBOX_PREFIX: z
    .string()
    .regex(/^[^\s.*>]+(\.[^\s.*>]+)*$/, 'must be a subject')
    .optional()
    .describe(
      'First tokens of the subjects that answers come to. `_INBOX_<service>` when unset, `_INBOX_operator` for the command line.',
    ),
});

export type NatsEnvironment = z.infer<typeof natsEnvironment>;

/**
 * The credentials that the environment gives.
 * @throws CredentialsError when it gives two that exclude each other, or half of a pair
 */
export function natsCredentials(env: NatsEnvironment): NatsCredentials {
  const violations = [...findHalves(env), ...findContradictions(env)];
  if (violations.length > 0)
    throw new CredentialsError(`the environment is not valid: ${violations.join('; ')}`);
  return {
    caFile: env.NATS_TLS_CA,
    certFile: env.NATS_TLS_CERT,
    keyFile: env.NATS_TLS_KEY,
    nkeySeed: secretOf(env.NATS_NKEY_SEED, env.NATS_NKEY_SEED_FILE),
    creds: secretOf(undefined, env.NATS_CREDS_FILE),
    token: secretOf(env.NATS_TOKEN, env.NATS_TOKEN_FILE),
    user: env.NATS_USER,
    password: secretOf(env.NATS_PASSWORD, env.NATS_PASSWORD_FILE),
  };
}

function secretOf(value: string | undefined, path: string | undefined): Secret | undefined {
  return path === undefined ? value : { file: path };
}

function findHalves(env: NatsEnvironment): string[] {
  const pairs = [
    ['NATS_TLS_CERT', 'NATS_TLS_KEY'],
    ['NATS_TLS_KEY', 'NATS_TLS_CERT'],
    ['NATS_PASSWORD', 'NATS_USER'],
    ['NATS_PASSWORD_FILE', 'NATS_USER'],
  ] as const;
  return pairs
    .filter(([given, other]) => env[given] !== undefined && env[other] === undefined)
    .map(([given, other]) => `${given} needs ${other}`);
}

function findContradictions(env: NatsEnvironment): string[] {
  const given = (
    ['NATS_NKEY_SEED', 'NATS_NKEY_SEED_FILE', 'NATS_CREDS_FILE', 'NATS_TOKEN', 'NATS_TOKEN_FILE'] as const
  ).filter((name) => env[name] !== undefined);
  const ways = [...given, ...(env.NATS_USER === undefined ? [] : ['NATS_USER'])];
  const problems = ways.length > 1 ? [`only one of ${ways.join(', ')} can be used`] : [];
  if (env.NATS_PASSWORD !== undefined && env.NATS_PASSWORD_FILE !== undefined) {
    problems.push('only one of NATS_PASSWORD, NATS_PASSWORD_FILE can be used');
  }
  return problems;
}
