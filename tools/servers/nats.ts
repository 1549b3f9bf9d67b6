import { mkdirSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
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
  /** A file beside the configuration that is part of it, and the variables it reads; it says all about JetStream. */
  readonly include?: { readonly file: string; readonly environment: Readonly<Record<string, string>> };
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
    env: { ...process.env, ...options.include?.environment },
    logFile: options.logFile,
    recordDir: options.recordDir,
    stopStage: 3,
  });
  const { startTimeoutMs = 60_000, signal } = options;
  await waitForAnswer(server, () => expectGreeting(options), { timeoutMs: startTimeoutMs, signal });
  return { ...server, port, url: `nats://${HOST}:${port}` };
}

/** The same after each restart, and no other server's. */
function serverName({ storeDir }: NatsServerOptions): string {
  return `slipstream-${createHash('sha256').update(storeDir).digest('hex').slice(0, 8)}`;
}

function writeConfig(options: NatsServerOptions): string {
  const { port, monitorPort, storeDir, config, include } = options;
  const file = join(dirname(storeDir), `nats-server-${port}.conf`);
  const { jetstream, ...rest } = config ?? {};
  const settings = {
    listen: `${HOST}:${port}`,
    ...(monitorPort && { http: `${HOST}:${monitorPort}` }),
    ...(!include && { jetstream: { store_dir: storeDir, ...(jetstream as object | undefined) } }),
    ...rest,
    server_name: serverName(options),
  };
  // The server's configuration language is a superset of JSON; its braces may be left out around the whole.
  const text = JSON.stringify(settings, undefined, 2);
  writeFileSync(file, include ? `include ${JSON.stringify(include.file)}\n${text.slice(1, -1)}` : text);
  return file;
}

/**
 * A server that is ready greets every connection with its INFO line. The name in it must be ours: when the port
 * is taken by another server, that one answers until ours has noticed and ended.
 */
async function expectGreeting(options: NatsServerOptions): Promise<void> {
  const greeting = await readLine(options.port);
  const name = serverName(options);
  if (!greeting.startsWith('INFO ') || !greeting.includes(`"server_name":"${name}"`)) {
    throw new Error(`something else than ${name} answers on port ${options.port}`);
  }
}

function readLine(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: HOST, timeout: 2_000 });
    let line = '';
    const end = (error?: Error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve(line);
    };
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      line += chunk;
      if (line.includes('\r\n')) end();
    });
    socket.on('timeout', () => end(new Error('it accepts connections but does not greet')));
    socket.on('error', end);
    socket.on('close', () => end(new Error('it closed the connection')));
  });
}
