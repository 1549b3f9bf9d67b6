import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { startProcess } from '../process/managed-process.ts';
import { type RunningServer, waitForAnswer } from './running-server.ts';

export interface NatsServerOptions {
  readonly binary: string;
  readonly port: number;
  /** HTTP monitoring; none when left out. */
  readonly monitorPort?: number;
  /** JetStream's files. The configuration is written beside it. */
  readonly storeDir: string;
  readonly logFile: string;
  readonly recordDir?: string;
  /** Added to the configuration, as nats-server names its options; one level deep. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** How long recovery of a large store may take. @default 60_000 */
  readonly startTimeoutMs?: number;
  /** Gives up starting. */
  readonly signal?: AbortSignal;
}

const HOST = '127.0.0.1';

/** Starts a nats-server with JetStream on files, reachable from this machine only. */
export async function startNatsServer(options: NatsServerOptions): Promise<RunningServer> {
  const { port, storeDir } = options;
  mkdirSync(storeDir, { recursive: true });
  const server = await startProcess({
    name: 'nats',
    command: options.binary,
    args: ['--config', writeConfig(options)],
    cwd: storeDir,
    env: process.env,
    logFile: options.logFile,
    recordDir: options.recordDir,
    stopStage: 3,
  });
  const { startTimeoutMs = 60_000, signal } = options;
  await waitForAnswer(server, () => readServerInfo(port), { timeoutMs: startTimeoutMs, signal });
  return { ...server, port, url: `nats://${HOST}:${port}` };
}

function writeConfig({ port, monitorPort, storeDir, config }: NatsServerOptions): string {
  const file = join(dirname(storeDir), `nats-server-${port}.conf`);
  const { jetstream, ...rest } = config ?? {};
  const settings = {
    listen: `${HOST}:${port}`,
    ...(monitorPort && { http: `${HOST}:${monitorPort}` }),
    jetstream: { store_dir: storeDir, ...(jetstream as object | undefined) },
    ...rest,
  };
  // The server's configuration language is a superset of JSON.
  writeFileSync(file, JSON.stringify(settings, undefined, 2));
  return file;
}

/** A server that is ready greets every connection with its INFO line. */
function readServerInfo(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: HOST, timeout: 2_000 });
    const end = (error?: Error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    let greeting = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      greeting += chunk;
      if (greeting.includes('\r\n'))
        end(greeting.startsWith('INFO {') ? undefined : new Error('no NATS server'));
    });
    socket.on('timeout', () => end(new Error('it accepts connections but does not greet')));
    socket.on('error', end);
    socket.on('close', () => end(new Error('it closed the connection')));
  });
}
