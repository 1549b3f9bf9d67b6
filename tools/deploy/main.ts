import { parseArgs } from 'node:util';
import { messageOf } from '../setup-error.ts';
import { findComposeProblems, readCompose } from './compose.ts';
import { findDockerfileProblems, pinnedNodeVersion, readDockerfile } from './dockerfile.ts';
import { checkManifests, writeGenerated } from './manifests.ts';
import { findPrometheusProblems } from './prometheus-rules.ts';

const USAGE = `Usage: npm run deploy -- <command>
  check    says what is wrong with what the system is deployed with, without a cluster
  render   writes what is made from other files`;

const { positionals } = parseArgs({ allowPositionals: true });
try {
  process.exitCode = await run(positionals[0]);
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}

async function run(command: string | undefined): Promise<number> {
  switch (command) {
    case 'check': {
      const problems = [
        ...(await checkManifests()),
        ...findComposeProblems(await readCompose()),
        ...findDockerfileProblems(readDockerfile(), pinnedNodeVersion()),
        ...(await findPrometheusProblems()),
      ];
      for (const problem of problems) console.error(problem);
      return problems.length > 0 ? 1 : 0;
    }
    case 'render':
      for (const file of await writeGenerated()) console.log(`wrote ${file}`);
      return 0;
    default:
      console.error(USAGE);
      return 2;
  }
}
