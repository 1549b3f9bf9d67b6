import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClaimedPort, claimFirstFree, claimFreePorts } from '../process/free-ports.ts';
import { findNatsServer } from './nats-server-binary.ts';
import { startNatsServer } from './nats.ts';
import type { RunningServer } from './running-server.ts';

let directory: string;
let claimed: ClaimedPort[];
let running: RunningServer[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-nats-'));
  claimed = await claimFreePorts(1);
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((server) => server.stop()));
  for (const port of claimed) port.release();
  rmSync(directory, { recursive: true, force: true });
});

async function start(name = 'nats'): Promise<RunningServer> {
  const { path } = await findNatsServer({ cacheDir: directory });
  const port = claimed[0]?.port ?? 0;
  const options = { storeDir: join(directory, name, 'jetstream'), logFile: join(directory, `${name}.log`) };
  const server = await startNatsServer({ binary: path, port, ...options });
  running.push(server);
  return server;
}

it('what a stream acknowledged is there after the server was killed and started again', async () => {
  const first = await start();
  const before = await connect({ servers: first.url });
  const manager = await jetstreamManager(before);
  await manager.streams.add({ name: 'KEPT', subjects: ['kept'] });
  await jetstream(before).publish('kept', 'one');
  await before.close();

  first.kill('SIGKILL');
  await expect(first.exited).resolves.toEqual({ code: null, signal: 'SIGKILL' });

  const after = await connect({ servers: (await start()).url });
  const { state } = await (await jetstreamManager(after)).streams.info('KEPT');
  await after.close();
  expect(state.messages).toBe(1);
});

it('a server that cannot have its port says so with the lines of its log', async () => {
  await start();
  await expect(start('second')).rejects.toThrow(/nats exited with code 1[^]*address already in use/);
});

it('a port is not claimed while a server listens on it', async () => {
  const { port } = await start();
  claimed.forEach((own) => own.release());
  claimed = [await claimFirstFree([port, port + 1, port + 2, port + 3, port + 4])];
  expect(claimed[0]?.port).not.toBe(port);
});
