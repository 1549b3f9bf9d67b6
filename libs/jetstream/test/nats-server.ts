import { waitFor } from '@slipstream/testing';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A server of a test's own, for configurations the shared one does not have. */
export interface TestNatsServer {
  readonly url: string;
  /** Kills it and starts it again with its data, at the same address; as another release with another `binary`. */
  restart(binary?: string): Promise<void>;
  /** Lets it read another configuration while it runs. */
  reload(config: string): Promise<void>;
  stop(): Promise<void>;
}

/** @param config in the server's configuration language */
export async function startNatsServer(binary: string, config = ''): Promise<TestNatsServer> {
  const directory = await mkdtemp(join(tmpdir(), 'slipstream-nats-'));
  const file = join(directory, 'nats.conf');
  const configure = (port: string, rest: string) =>
    writeFile(file, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${directory}" }\n${rest}`);
  const start = (program: string) =>
    spawn(program, ['-c', file, '--ports_file_dir', directory], { stdio: 'ignore' });
  await configure('-1', config);
  let child = start(binary);
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const url = await waitFor('the server', () => urlOf(directory, child));
  const { port } = new URL(url);
  return {
    url,
    restart: async (program = binary) => {
      await end(child);
      await configure(port, config);
      child = start(program);
      await waitFor('the server', () => urlOf(directory, child));
    },
    reload: async (changed) => {
      await configure(port, changed);
      child.kill('SIGHUP');
    },
    stop: async () => {
      process.off('exit', kill);
      await end(child);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function urlOf(directory: string, { pid }: ChildProcess): Promise<string | undefined> {
  const ports = (await readdir(directory)).find((name) => name.endsWith(`_${pid}.ports`));
  return ports && (JSON.parse(await readFile(join(directory, ports), 'utf8')) as { nats: string[] }).nats[0];
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
