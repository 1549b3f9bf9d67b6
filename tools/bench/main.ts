import { Argument } from 'commander';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT_DIR } from '../paths.ts';
import { runScript, script } from '../script.ts';
import { runCommand } from '../servers/run-command.ts';
import { buildApps } from '../stack/build.ts';
import { Reporter } from '../stack/reporter.ts';
import { startServers, stopServers } from '../test/servers.ts';

const NEST = join('node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
const BENCHED_APPS = [
  'order-service',
  'payment-service',
  'inventory-service',
  'audit-service',
  'payment-gateway',
];

const names = readdirSync(join(ROOT_DIR, 'bench', 'src'))
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length));

await runScript(
  script('bench', 'Runs benchmarks against their raw baselines.')
    .addArgument(new Argument('[names...]', 'some of them').choices(names))
    .option('--quick', 'fewer and smaller rounds, which must reach three quarters of the floors')
    .action(bench),
);
process.exit();

async function bench(): Promise<void> {
  const reporter = new Reporter();
  try {
    await reporter.step('build the benchmarks', () =>
      runCommand(process.execPath, [NEST, 'build', 'bench'], { cwd: ROOT_DIR }),
    );
    await reporter.step('build the apps', () => buildApps(BENCHED_APPS));
    await reporter.step('start NATS and PostgreSQL', () => startServers({ durable: true }));
    process.exitCode = await runBenchmarks();
  } finally {
    await stopServers();
  }
}

async function runBenchmarks(): Promise<number> {
  const main = join('dist', 'bench', 'bench', 'src', 'main.js');
  const child = spawn(process.execPath, [main, ...process.argv.slice(2)], {
    cwd: ROOT_DIR,
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}
