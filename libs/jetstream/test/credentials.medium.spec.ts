import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { nkeys } from '@nats-io/transport-node';
import { CredentialsError, JetStreamConnection, type NatsCredentials } from '@slipstream/jetstream';
import { Logger } from '@nestjs/common';
import { waitFor } from '@slipstream/testing';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FragileLink } from './fragile-link.js';
import { DecentralizedUsers } from './decentralized-users.js';
import { startNatsServer, type TestNatsServer } from './nats-server.js';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const seedOf = (pair: KeyPair) => Buffer.from(pair.getSeed()).toString();
const nkeyUsers = (...pairs: KeyPair[]) =>
  `authorization { users: [ ${pairs.map((pair) => `{ nkey: ${pair.getPublicKey()} }`).join(', ')} ] }`;

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
    jest.restoreAllMocks();
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
    const users = new DecentralizedUsers();
    await serve(users.serverConfig);
    expect(await isLetIn({ creds: { file: await file(users.credentials) } })).toBe(true);
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

  it('is not made anew when its key was replaced and it is closed meanwhile', async () => {
    await serve('authorization { token: "t-0" }');
    const link = await FragileLink.to(server?.url ?? '');
    const path = await file('t-0', 'token');
    connection = await JetStreamConnection.open({ servers: link.url }, 1, { token: { file: path } });
    await connection.check();
    const logged = jest.spyOn(Logger.prototype, 'log').mockReturnValue();
    // What was published is flushed first, which takes until the link breaks.
    link.die();
    await file('t-1', 'token');
    await waitFor('the replaced token', () => logged.mock.calls.length > 0, 20_000);
    const closing = connection.onApplicationShutdown();
    await link.close();
    await closing;
    expect(connection.nc.isClosed()).toBe(true);
  }, 60_000);
});
