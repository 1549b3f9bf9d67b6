import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Command as CommanderCommand } from 'commander';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { createProgram } from '../../apps/cli/src/program.js';
import { readCompose, type ComposeModel } from '../../tools/deploy/compose.ts';
import { readObjects } from '../../tools/deploy/kustomize.ts';
import { anchorsOf, argumentsOfCli, commandsOf, valuesOf } from './commands.ts';

const RUNBOOKS = globSync('docs/runbooks/**/*.md');
const PAGES = [
  'README.md',
  'ARCHITECTURE.md',
  'docker/nats/README.md',
  'libs/jetstream/README.md',
  ...globSync('docs/*.md'),
  ...globSync('docs/{adr,how-to,reference}/*.md'),
  ...RUNBOOKS,
].toSorted();
const COMMANDS = PAGES.flatMap((page) =>
  commandsOf(readFileSync(page, 'utf8')).map(({ words, isBlock }) => ({
    page,
    command: words.join(' '),
    words,
    isBlock,
  })),
);
/** Programs that somebody who follows a page has, beside those of this project. */
const OTHERS = new Set([
  'npx',
  'kubectl',
  'docker',
  'helm',
  'nats-server',
  'aws',
  'curl',
  'bash',
  'git',
  'cd',
  'export',
  'openssl',
  'sed',
]);
/** A metric of ours that stands for itself; those of Node.js are not listed anywhere. */
const METRIC =
  /`((?:outbox|idempotency|jetstream|nats|orders?|payments?|payment_gateway|dead_letters|http_server)_[a-z_]+)(?:\{[^`]*\})?`/g;
/** Made by a command of the same page. */
const MADE = /^secrets(\/|$)/;

function fillIn(arg: string): string {
  return arg.replace('<time>', '2026-11-23T12:00:00Z').replace(/^<.*>$/, '1');
}

/** Says what commander refuses of the arguments; nothing is run. */
async function refusalOf(args: readonly string[]): Promise<string | undefined> {
  const said: string[] = [];
  const program = createProgram(() => undefined);
  const prepare = (command: CommanderCommand) => {
    command.configureOutput({ writeErr: (text) => said.push(text), writeOut: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
    command.commands.forEach(prepare);
  };
  prepare(program);
  return program.parseAsync(args.map(fillIn), { from: 'user' }).then(
    () => undefined,
    (error: Error & { exitCode?: number }) =>
      error.exitCode === 0 ? undefined : said.join('') || error.message,
  );
}

function select(matches: (words: readonly string[]) => boolean) {
  const found = COMMANDS.filter(({ words }) => matches(words));
  return [...new Map(found.map((one) => [`${one.page} ${one.command}`, one])).values()];
}

describe('commands in the documentation', () => {
  let compose: ComposeModel;

  beforeAll(async () => {
    compose = await readCompose();
  }, 120_000);

  it('are for programs that a reader has', () => {
    const strangers = COMMANDS.filter(
      ({ words: [program = ''] }) => program !== 'npm' && program !== 'slipstream' && !OTHERS.has(program),
    );
    expect(strangers.map(({ page, command }) => `${page}: ${command}`)).toEqual([]);
  });

  it('are as many as there were: the pages are still read', () => {
    expect(COMMANDS.filter(({ words }) => argumentsOfCli(words)).length).toBeGreaterThan(40);
    expect(COMMANDS.filter(({ isBlock }) => isBlock).length).toBeGreaterThan(40);
  });

  it.each(select((words) => argumentsOfCli(words) !== undefined && !words.includes('…')))(
    'the command line knows "$command" ($page)',
    async ({ words }) => {
      const args = argumentsOfCli(words) ?? [];
      // A page that names a group of commands means its list.
      if (args[0]?.startsWith('<')) return;
      expect(await refusalOf(args)).toBeUndefined();
    },
  );

  it('that the command line does not know are found out', async () => {
    expect(await refusalOf(['streams', 'aply'])).toMatch(/unknown command 'aply'/);
    expect(await refusalOf(['dlq', 'ls', '--straem', 'ORDERS'])).toMatch(/unknown option '--straem'/);
    expect(await refusalOf(['pause', 'ORDERS'])).toMatch(/missing required argument/);
  });

  it.each(select(([program, verb]) => program === 'npm' && verb === 'run'))(
    'package.json has the script of "$command" ($page)',
    ({ words }) => {
      const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
      expect(Object.keys(scripts)).toContain(words.slice(2).find((word) => !word.startsWith('-')));
    },
  );

  it.each(select(([program]) => program === 'kubectl' || program === 'helm'))(
    'what "$command" names is there ($page)',
    ({ words }) => {
      const files = valuesOf(words, '-f', '--values', '--cert', '--key', '--from-file').filter(
        (file) => !MADE.test(file),
      );
      expect(files.filter((file) => !existsSync(file))).toEqual([]);
      const directories = valuesOf(words, '-k').map((directory) => join(directory, 'kustomization.yaml'));
      expect(directories.filter((file) => !existsSync(file))).toEqual([]);
      const wanted = words.flatMap(
        (word) => /^(deployment|job|statefulset)\/(.+)$/.exec(word)?.slice(1) ?? [],
      );
      const objects = readObjects(readFileSync('k8s/slipstream.yaml', 'utf8')).flatMap(
        ({ kind, metadata }) => [kind.toLowerCase(), metadata.name],
      );
      expect(objects).toEqual(expect.arrayContaining(wanted));
    },
  );

  it.each(select(([program, verb]) => program === 'docker' && verb === 'compose'))(
    'the profiles of "$command" are those of docker-compose.yml ($page)',
    ({ words }) => {
      const profiles = Object.values(compose.services).flatMap(({ profiles: own = [] }) => own);
      expect(profiles).toEqual(expect.arrayContaining(valuesOf(words, '--profile')));
    },
  );
});

describe('runbooks', () => {
  const overview = 'docs/runbooks/README.md';

  it('are all named in their overview', () => {
    const text = readFileSync(overview, 'utf8');
    const others = RUNBOOKS.filter((page) => page !== overview);
    expect(others.filter((page) => !text.includes(`](${relative(dirname(overview), page)})`))).toEqual([]);
  });

  it('name metrics that there are', () => {
    const known = readFileSync('docs/reference/metrics.md', 'utf8');
    const named = RUNBOOKS.flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(METRIC)].map(([, name = '']) => ({ page, name })),
    );
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter(({ name }) => !new RegExp(`\`${name}[\`{]`).test(known))).toEqual([]);
  });
});

describe('links in the documentation', () => {
  const leads = (page: string, target: string) => {
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : normalize(join(dirname(page), path));
    if (!existsSync(file)) return false;
    return (
      anchor === undefined || !file.endsWith('.md') || anchorsOf(readFileSync(file, 'utf8')).includes(anchor)
    );
  };

  it.each(PAGES)('of %s lead somewhere', (page) => {
    const targets = [...readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)/g)].map(
      ([, target = '']) => target,
    );
    const local = targets.filter((target) => !/^https?:/.test(target));
    expect(local.filter((target) => !leads(page, target))).toEqual([]);
    expect(statSync(page).size).toBeGreaterThan(0);
  });
});
