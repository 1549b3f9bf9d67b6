import { waitFor } from '@slipstream/testing';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A server of a test's own, for configurations the shared one does not have. */
export interface TestNatsServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** @param config in the server's configuration language */
export async function startNatsServer(binary: string, config = ''): Promise<TestNatsServer> {
  const directory = await mkdtemp(join(tmpdir(), 'slipstream-nats-'));
  const file = join(directory, 'nats.conf');
  await writeFile(file, `listen: 127.0.0.1:-1\njetstream { store_dir: "${directory}" }\n${config}`);
  const child = spawn(binary, ['-c', file, '--ports_file_dir', directory], { stdio: 'ignore' });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const url = await waitFor('the server', async () => {
    const ports = (await readdir(directory)).find((name) => name.endsWith('.ports'));
    return (
      ports && (JSON.parse(await readFile(join(directory, ports), 'utf8')) as { nats: string[] }).nats[0]
    );
  });
  return {
    url,
    stop: async () => {
      process.off('exit', kill);
      const exited = once(child, 'exit');
      kill();
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
