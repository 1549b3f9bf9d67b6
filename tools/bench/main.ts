import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT_DIR } from '../paths.ts';
import { runCommand } from '../servers/run-command.ts';
import { messageOf, SetupError } from '../setup-error.ts';
import { buildApps } from '../stack/build.ts';
import { Reporter } from '../stack/reporter.ts';
import { startServers, stopServers } from '../test/servers.ts';

const BENCHED_APPS = [
  'order-service',
  'payment-service',
  'inventory-service',
  'audit-service',
  'payment-gateway',
];

const reporter = new Reporter();
try {
  await reporter.step('build the benchmarks', () =>
    runCommand(
      process.execPath,
      [join('node_modules', '@nestjs', 'cli', 'bin', 'nest.js'), 'build', 'bench'],
      {
        cwd: ROOT_DIR,
      },
    ),
  );
  await reporter.step('build the apps', () => buildApps(BENCHED_APPS));
  await reporter.step('start NATS and PostgreSQL', () => startServers({ durable: true }));
  process.exitCode = await runBenchmarks();
} catch (error) {
  console.error(error instanceof SetupError ? messageOf(error) : error);
  process.exitCode = 1;
} finally {
  await stopServers();
}
process.exit();

async function runBenchmarks(): Promise<number> {
  const main = join('dist', 'bench', 'bench', 'src', 'main.js');
  const child = spawn(process.execPath, [main, ...process.argv.slice(2)], {
    cwd: ROOT_DIR,
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}
