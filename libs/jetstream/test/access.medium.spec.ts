import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { jwtAuthenticator } from '@nats-io/transport-node';
import { Controller, Logger, type Type } from '@nestjs/common';
import { EventPattern, JetStreamConnection } from '@slipstream/jetstream';
import { uniqueName, waitFor } from '@slipstream/testing';
import { DecentralizedUsers } from './decentralized-users.js';
import { Bystander, startTestApp, testStream, type TestApp, type TestStream } from './harness.js';
import { startNatsServer, type TestNatsServer } from './nats-server.js';

const ADMIN = '{ user: admin, password: secret }';

/** Users of a server, the worker with what is appended to its permissions. */
function usersWith(worker: string): string {
  return `authorization { users: [ ${ADMIN}, ${worker} ] }`;
}

function workerDenied(verb: 'publish' | 'subscribe', subject: string): string {
  return `{ user: worker, password: secret, permissions: { ${verb}: { allow: ">", deny: "${subject}" } } }`;
}

const WORKER = '{ user: worker, password: secret }';
const WORKER_WITH_ANOTHER_PASSWORD = '{ user: worker, password: changed }';

describe('a process whose access is refused', () => {
  let stream: TestStream;
  let durable: string;
  let seen: number;
  let controller: Type;
  let server: TestNatsServer;
  let running: TestApp | undefined;
  let bystander: Bystander | undefined;
  let errors: jest.SpiedFunction<Logger['error']>;

  async function startServer(worker: string): Promise<void> {
    server = await startNatsServer(process.env['NATS_SERVER_BIN'] ?? 'nats-server', usersWith(worker));
  }

  function startWorker(): Promise<TestApp> {
    const connection = { servers: server.url, user: 'worker', pass: 'secret', timeout: 2_000 };
    return startTestApp(stream, [controller], { connection });
  }

  async function connectAdmin(): Promise<Bystander> {
    return (bystander ??= await Bystander.connect(server.url, { user: 'admin', pass: 'secret' }));
  }

  async function publish(): Promise<void> {
    await (await connectAdmin()).publish(stream.subject('a'), '1');
  }

  const said = () => errors.mock.calls.map((call) => JSON.stringify(call)).join('\n');

  beforeEach(() => {
    stream = testStream();
    durable = uniqueName('d');
    seen = 0;
    running = undefined;
    bystander = undefined;
    errors = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    @Controller()
    class Counting {
      @EventPattern(stream.subject('a'), { durable })
      on(): void {
        seen++;
      }
    }
    controller = Counting;
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await running?.app.close();
    await bystander?.close();
    await server.stop();
  });

  it('fails to start without access to the API it needs, and names the subject', async () => {
    await startServer(workerDenied('publish', '$JS.API.STREAM.>'));
    await expect(startWorker()).rejects.toThrow(`$JS.API.STREAM.INFO.${stream.name}`);
  });

  it('says which subject it may not ask for messages on, is not well, and goes on once it may', async () => {
    await startServer(workerDenied('publish', '$JS.API.CONSUMER.MSG.NEXT.>'));
    running = await startWorker();
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream.name}.${durable}`;
    await waitFor('the error', () => said().includes(subject));
    expect(running.server.liveness()[0]?.state).toBe('running');
    const now = performance.now.bind(performance);
    // The server would have sent three heartbeats by then.
    jest.spyOn(performance, 'now').mockImplementation(() => now() + 10_000);
    expect(running.server.liveness()[0]?.state).toBe('stalled');
    await publish();
    await server.reload(usersWith(WORKER));
    await waitFor('the message', () => seen === 1);
    await waitFor('recovery', () => running?.server.liveness()[0]?.state === 'running');
  });

  it('says which subject it may not ack on', async () => {
    await startServer(workerDenied('publish', '$JS.ACK.>'));
    running = await startWorker();
    await publish();
    await waitFor('the error', () => said().includes(`$JS.ACK.${stream.name}.${durable}`));
  });

  it('waits at start for its credentials to become valid', async () => {
    await startServer(WORKER_WITH_ANOTHER_PASSWORD);
    const warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const starting = startWorker();
    await waitFor('a refusal', () => warnings.mock.calls.length > 0);
    expect(JSON.stringify(warnings.mock.calls[0])).toMatch(/authorization/i);
    await server.reload(usersWith(WORKER));
    running = await starting;
    await publish();
    await waitFor('the message', () => seen === 1);
  });

  it('comes back by itself when credentials that became invalid are valid again', async () => {
    await startServer(WORKER);
    running = await startWorker();
    // A reload refuses whoever has connected and not said who it is yet.
    await connectAdmin();
    await server.reload(usersWith(WORKER_WITH_ANOTHER_PASSWORD));
    await waitFor('the refusal', () => /authorization/i.test(said()));
    await server.reload(usersWith(WORKER));
    await publish();
    await waitFor('the message', () => seen === 1);
  });

  it('goes on with new credentials when its own expire while it runs', async () => {
    const users = new DecentralizedUsers();
    server = await startNatsServer(process.env['NATS_SERVER_BIN'] ?? 'nats-server', users.serverConfig);
    // Begins to expire when it is used first, not while the application is made.
    let token: string | undefined;
    const connectAs = (current: () => string) => ({
      servers: server.url,
      authenticator: jwtAuthenticator(current, users.seed),
    });
    running = await startTestApp(stream, [controller], {
      connection: connectAs(() => (token ??= users.token(3))),
    });
    const unexpiring = users.token();
    bystander = await Bystander.connect(
      server.url,
      connectAs(() => unexpiring),
    );
    // A server that closes while the client writes takes its last words back (RST); the next try is refused then.
    await waitFor('the end of the credentials', () => /expired|authorization/i.test(said()));
    token = users.token();
    await publish();
    await waitFor('the message', () => seen === 1);
  });

  it('closes its connection although nobody lets it in again', async () => {
    await startServer(WORKER);
    running = await startWorker();
    const { nc } = running.app.get(JetStreamConnection);
    await connectAdmin();
    await server.reload(usersWith(WORKER_WITH_ANOTHER_PASSWORD));
    await waitFor('the refusal', () => /authorization/i.test(said()));
    await running.app.close();
    expect(nc.isClosed()).toBe(true);
    running = undefined;
  });
});
