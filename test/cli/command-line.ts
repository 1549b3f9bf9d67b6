import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimFreePorts, type ClaimedPort } from '../../tools/process/free-ports.ts';
import { guard } from '../../tools/process/guard.ts';
import { startNatsServer } from '../../tools/servers/nats.ts';
import type { RunningServer } from '../../tools/servers/running-server.ts';
import { buildApps } from '../../tools/stack/build.ts';
import { entryFileOf } from '../../tools/stack/units.ts';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Document {
  readonly code: number | null;
  readonly version: number;
  readonly kind: string;
  readonly data: Record<string, unknown>;
}

/** Runs a command of the command line that was built before, with nothing in its environment but `env`. */
export async function runBuilt(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  const child = spawn(process.execPath, [entryFileOf('cli'), ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** The built command line beside a broker of its own. */
export class CommandLine {
  private constructor(
    /** For the files of a test; removed with the rest. */
    readonly directory: string,
    private readonly server: RunningServer,
    private readonly ports: readonly ClaimedPort[],
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** @param env what every command gets beside the address of the broker */
  static async start(env: NodeJS.ProcessEnv = {}): Promise<CommandLine> {
    const binary = process.env.NATS_SERVER_BIN;
    if (!binary) throw new Error('NATS_SERVER_BIN is not set; run the tests through "npm test"');
    await buildApps(['cli']);
    const directory = mkdtempSync(join(tmpdir(), 'slipstream-cli-'));
    guard.removeAtExit(directory);
    const ports = await claimFreePorts(2);
    const server = await startNatsServer({
      binary,
      port: ports[0]?.port ?? 0,
      monitorPort: ports[1]?.port ?? 0,
      storeDir: join(directory, 'jetstream'),
      logFile: join(directory, 'nats.log'),
    });
    return new CommandLine(directory, server, ports, { NATS_URL: server.url, ...env });
  }

  get natsUrl(): string {
    return this.server.url;
  }

  /** Its HTTP monitoring. */
  get monitorUrl(): string {
    return `http://127.0.0.1:${this.ports[1]?.port}`;
  }

  /** Runs a command as a child, without a terminal. */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    return runBuilt(args, { ...this.env, ...env });
  }

  async json(...args: string[]): Promise<Document> {
    const { code, stdout } = await this.run([...args, '--json']);
    return { code, ...(JSON.parse(stdout) as Omit<Document, 'code'>) };
  }

  async stop(): Promise<void> {
    await this.server.stop();
    for (const port of this.ports) port.release();
    await rm(this.directory, { recursive: true, force: true });
    guard.keep(this.directory);
  }
}
