import {
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
  type Authenticator,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import { readFileSync } from 'node:fs';
import { JetStreamError } from './errors.js';

/** A secret as it is, or the file that holds it, which is read again for each connection. */
export type Secret = string | { readonly file: string };

/** How a process knows its NATS server, and proves to it who it is. */
export interface NatsCredentials {
  /** Certificates in PEM of the authorities that signed the servers'. With it nothing but TLS is spoken. */
  readonly caFile?: string | undefined;
  /** Certificate of this process in PEM, where the server asks for one; comes with `keyFile`. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** At most one of the following. */
  readonly nkeySeed?: Secret | undefined;
  /** A JWT and its seed as `nsc` writes them. */
  readonly creds?: Secret | undefined;
  readonly token?: Secret | undefined;
  readonly user?: string | undefined;
  readonly password?: Secret | undefined;
}

/** What a process is to prove itself with cannot be read or is no such thing. */
export class CredentialsError extends JetStreamError {
  readonly code = 'JS_CREDENTIALS_INVALID';
}

/** The files behind credentials, any of which may be replaced while the process runs. */
export function credentialFiles(credentials: NatsCredentials): string[] {
  const { caFile, certFile, keyFile, nkeySeed, creds, token, password } = credentials;
  const secrets = [nkeySeed, creds, token, password].map((secret) =>
    typeof secret === 'object' ? secret.file : undefined,
  );
  return [caFile, certFile, keyFile, ...secrets].filter((file) => file !== undefined);
}

/**
 * Options of the NATS client for these credentials. Files are read again for each connection.
 * @throws CredentialsError naming the file that cannot be read, or what is no valid secret
 */
export function credentialOptions(credentials: NatsCredentials): NodeConnectionOptions {
  credentialFiles(credentials).forEach(read);
  const { caFile, certFile, keyFile } = credentials;
  const files = Object.entries({ caFile, certFile, keyFile }).filter(([, file]) => file !== undefined);
  const authenticator = authenticatorOf(credentials);
  if (authenticator) assertValid(authenticator, credentials);
  return {
    ...(files.length > 0 ? { tls: Object.fromEntries(files) } : {}),
    ...(authenticator ? { authenticator: neverThrowing(authenticator) } : {}),
  };
}

function authenticatorOf(credentials: NatsCredentials): Authenticator | undefined {
  const { nkeySeed, creds, token, user, password } = credentials;
  if (nkeySeed !== undefined) return nkeyAuthenticator(() => Buffer.from(valueOf(nkeySeed)));
  // The client finds the seed only when a line follows its end.
  if (creds !== undefined) return credsAuthenticator(() => Buffer.from(`${valueOf(creds)}\n`));
  if (token !== undefined) return tokenAuthenticator(() => valueOf(token));
  if (user === undefined) return undefined;
  return usernamePasswordAuthenticator(user, () => (password === undefined ? '' : valueOf(password)));
}

function valueOf(secret: Secret): string {
  return (typeof secret === 'string' ? secret : read(secret.file)).trim();
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CredentialsError(`the file "${file}" cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function assertValid(authenticator: Authenticator, { nkeySeed, creds }: NatsCredentials): void {
  try {
    authenticator('nonce');
  } catch (cause) {
    if (cause instanceof CredentialsError) throw cause;
    const [what, secret] = nkeySeed === undefined ? ['credentials', creds] : ['an nkey seed', nkeySeed];
    const where = typeof secret === 'object' ? `the file "${secret.file}" does` : 'the given secret does';
    throw new CredentialsError(`${where} not hold ${what}`, { cause });
  }
}

/** The client closes a connection for good whose authenticator throws; a server that refuses it is asked again. */
function neverThrowing(authenticator: Authenticator): Authenticator {
  const logger = new Logger('NatsCredentials');
  return (nonce) => {
    try {
      return authenticator(nonce);
    } catch (error) {
      logger.error({ err: error }, 'the NATS credentials cannot be used, trying again');
      return undefined;
    }
  };
}
