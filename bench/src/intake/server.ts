import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import type { LoadResult } from './load.js';

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** An HTTP server under load, in a process of its own. */
export class LoadedServer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts `script` with `PORT` in its environment and resolves when `readyPath` is answered with less than 500. */
  static async start(script: string, env: NodeJS.ProcessEnv, readyPath: string): Promise<LoadedServer> {
    const port = await freePort();
    const child = spawn(process.execPath, [script], {
      env: { ...process.env, ...env, PORT: String(port) },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`${script} ended with ${child.exitCode}`);
      if (Date.now() > deadline) throw new Error(`${script} did not become ready`);
      const answer = await fetch(`http://127.0.0.1:${port}${readyPath}`).catch(() => undefined);
      if (answer && answer.status < 500) return new LoadedServer(child, port);
      await new Promise((poll) => setTimeout(poll, POLL_MS));
    }
  }

  /** Posts `body` `requests` times from another process, in the trace of `traceparent` if there is one. */
  async load(
    script: string,
    body: string,
    requests: number,
    connections: number,
    traceparent = '',
  ): Promise<LoadResult> {
    const options = { port: this.port, body, requests, connections, traceparent };
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    const { stdout } = await promisify(execFile)(process.execPath, [script, ...args]);
    const result = JSON.parse(stdout) as LoadResult;
    if (result.failures > 0) throw new Error(`${result.failures} of ${requests} requests were not accepted`);
    return result;
  }

  /** Seconds of the processor that the process has taken so far, by its own metrics. */
  async cpuSeconds(): Promise<number> {
    const metrics = await (await fetch(`http://127.0.0.1:${this.port}/metrics`)).text();
    return Number(/^process_cpu_seconds_total\S* (\S+)/m.exec(metrics)?.[1]);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
