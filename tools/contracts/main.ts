import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT_DIR } from '../paths.ts';
import { runScript, script } from '../script.ts';
import { generateContracts } from './generate.ts';
import { isAnyStale, writeAll } from './generated-files.ts';

const CONTRACTS_DIR = join(ROOT_DIR, 'libs', 'contracts');
const LOADER = join(ROOT_DIR, 'libs', 'testing', 'node', 'typescript.mjs');
const CORPUS = join(CONTRACTS_DIR, 'test', 'record-corpus.ts');
const DOCUMENTS = join(ROOT_DIR, 'docs', 'generator', 'main.ts');

await runScript(
  script('generate', 'Makes types, schemas and documents from the contracts, handlers and controllers.')
    .option('--check', 'change nothing: fail when something is stale or a contract breaks somebody')
    .action(generate),
);
process.exit();

async function generate({ check }: { check?: true }): Promise<void> {
  const files = await generateContracts(CONTRACTS_DIR);
  if (check) {
    if (isAnyStale(CONTRACTS_DIR, files)) process.exitCode = 1;
  } else {
    writeAll(CONTRACTS_DIR, files);
    run(CORPUS);
  }
  run(DOCUMENTS, ...(check ? ['--check'] : []));
}

/** Runs what reads the sources of the services as they are, which takes their own compiler. */
function run(program: string, ...flags: string[]): void {
  const { status } = spawnSync(process.execPath, ['--import', LOADER, program, ...flags], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
