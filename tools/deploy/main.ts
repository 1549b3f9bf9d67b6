import { runScript, script } from '../script.ts';
import { findComposeProblems, readCompose } from './compose.ts';
import { findDockerfileProblems, pinnedNodeVersion, readDockerfile } from './dockerfile.ts';
import { checkManifests, writeGenerated } from './manifests.ts';
import { findPrometheusProblems } from './prometheus-rules.ts';

const deploy = script('deploy', 'What the system is deployed with.');
deploy.command('check').description('say what is wrong with it, without a cluster').action(check);
deploy.command('render').description('write what is made from other files').action(render);
await runScript(deploy);

async function check(): Promise<void> {
  const problems = [
    ...(await checkManifests()),
    ...findComposeProblems(await readCompose()),
    ...findDockerfileProblems(readDockerfile(), pinnedNodeVersion()),
    ...(await findPrometheusProblems()),
  ];
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}

async function render(): Promise<void> {
  for (const file of await writeGenerated()) console.log(`wrote ${file}`);
}
