import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { nkeys } from '@nats-io/transport-node';
import { CredentialsError, JetStreamConnection, type NatsCredentials } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNatsServer, type TestNatsServer } from './nats-server.js';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const seedOf = (pair: KeyPair) => Buffer.from(pair.getSeed()).toString();
const nkeyUsers = (...pairs: KeyPair[]) =>
  `authorization { users: [ ${pairs.map((pair) => `{ nkey: ${pair.getPublicKey()} }`).join(', ')} ] }`;

/** A claim as the operator mode of the server reads it. */
function jwt(subject: KeyPair, issuer: KeyPair, nats: object): string {
  const encode = (part: Uint8Array | object) =>
    Buffer.from(part instanceof Uint8Array ? part : JSON.stringify(part)).toString('base64url');
  const claim = {
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: 'test',
    nats: { version: 2, ...nats },
  };
  const jti = createHash('sha256').update(JSON.stringify(claim)).digest('hex');
  const signed = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode({ ...claim, jti })}`;
  return `${signed}.${encode(issuer.sign(Buffer.from(signed)))}`;
}

/** A server in operator mode, and the credentials of a user of its one account. */
function operatorMode(): { config: string; creds: string } {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  const unlimited = { subs: -1, data: -1, payload: -1, conn: -1, leaf: -1, imports: -1, exports: -1 };
  const stored = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const system = nkeys.createAccount();
  const accountOf = (key: KeyPair, limits: object) =>
    `${key.getPublicKey()}: "${jwt(key, operator, { type: 'account', limits: { ...unlimited, ...limits } })}"`;
  // The server keeps JetStream out of the account it uses itself, which it needs one for.
  const accounts = [accountOf(account, stored), accountOf(system, {})];
  const config = `
    operator: "${jwt(operator, operator, { type: 'operator' })}"
    system_account: ${system.getPublicKey()}
    resolver: MEMORY
    resolver_preload: { ${accounts.join(', ')} }`;
  const claim = { type: 'user', subs: -1, data: -1, payload: -1, pub: {}, sub: {} };
  const creds = `-----BEGIN NATS USER JWT-----\n${jwt(user, account, claim)}\n------END NATS USER JWT------\n
-----BEGIN USER NKEY SEED-----\n${seedOf(user)}\n------END USER NKEY SEED------\n`;
  return { config, creds };
}

describe('a connection with credentials', () => {
  let directory: string;
  let server: TestNatsServer | undefined;
  let connection: JetStreamConnection | undefined;

  async function serve(config: string): Promise<void> {
    server = await startNatsServer(process.env.NATS_SERVER_BIN ?? 'nats-server', config);
  }

  async function open(credentials: NatsCredentials): Promise<JetStreamConnection> {
    connection = await JetStreamConnection.open({ servers: server?.url ?? '' }, 1, credentials);
    return connection;
  }

  async function isLetIn(credentials: NatsCredentials): Promise<boolean> {
    await (await open(credentials)).check();
    return true;
  }

  async function file(content: string, name: string = randomUUID()): Promise<string> {
    await writeFile(join(directory, name), content);
    return join(directory, name);
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slipstream-credentials-'));
    server = undefined;
    connection = undefined;
  });

  afterEach(async () => {
    await connection?.onApplicationShutdown();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('is let in with an nkey, from a file or as it is', async () => {
    const user = nkeys.createUser();
    await serve(nkeyUsers(user));
    await (await open({ nkeySeed: seedOf(user) })).onApplicationShutdown();
    expect(await isLetIn({ nkeySeed: { file: await file(`${seedOf(user)}\n`) } })).toBe(true);
  });

  it('is let in with a JWT and its seed', async () => {
    const { config, creds } = operatorMode();
    await serve(config);
    expect(await isLetIn({ creds: { file: await file(creds) } })).toBe(true);
  });

  it('is let in with a token', async () => {
    await serve('authorization { token: "t-0" }');
    expect(await isLetIn({ token: { file: await file('t-0\n') } })).toBe(true);
  });

  it('is let in with a user and a password', async () => {
    await serve('authorization { users: [ { user: u, password: "p-0" } ] }');
    expect(await isLetIn({ user: 'u', password: { file: await file('p-0\n') } })).toBe(true);
  });

  it('is not tried with a file that is missing, or holds something else', async () => {
    await expect(open({ nkeySeed: { file: '/nowhere/seed' } })).rejects.toThrow(
      '"/nowhere/seed" cannot be read',
    );
    await expect(open({ caFile: '/nowhere/ca' })).rejects.toThrow('"/nowhere/ca" cannot be read');
    const broken = await file('no seed');
    await expect(open({ nkeySeed: { file: broken } })).rejects.toThrow(
      `"${broken}" does not hold an nkey seed`,
    );
    await expect(open({ creds: { file: broken } })).rejects.toThrow(CredentialsError);
  });

  it('is made anew with a key that was replaced, in whichever order server and client learn of it', async () => {
    const [first, second, third] = [nkeys.createUser(), nkeys.createUser(), nkeys.createUser()];
    await serve(nkeyUsers(first));
    const path = await file(seedOf(first), 'seed');
    const { nc } = await open({ nkeySeed: { file: path } });
    let reconnects = 0;
    connection?.onReconnect(() => reconnects++);
    await server?.reload(nkeyUsers(first, second));
    await file(seedOf(second), 'seed');
    await waitFor('the second key', () => reconnects === 1, 20_000);
    await file('half a se', 'seed');
    await server?.reload(nkeyUsers(third));
    await file(seedOf(third), 'seed');
    await waitFor('the third key', () => reconnects >= 2 && !nc.isClosed(), 30_000);
    await expect(connection?.check()).resolves.toBeUndefined();
  }, 60_000);
});
