import { DockerfileParser, type Instruction } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT_DIR } from '../paths.ts';

/** What an image gets from a Dockerfile: its last stage, with the defaults of its arguments. */
export interface ImageRecipe {
  /** Images that stages begin from. */
  readonly bases: readonly string[];
  /** What the arguments of the last stage's instructions come to. */
  readonly instructions: readonly { readonly keyword: string; readonly text: string }[];
  readonly environment: Readonly<Record<string, string>>;
}

const FILE = join(ROOT_DIR, 'docker', 'Dockerfile');
const PINNED = /:\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$/;

export function readDockerfile(): string {
  return readFileSync(FILE, 'utf8');
}

export function readRecipe(text: string): ImageRecipe {
  const file = DockerfileParser.parse(text);
  const defaults = new Map(
    file.getARGs().flatMap((arg) => {
      const property = arg.getProperty();
      const value = property?.getValue();
      return property && value ? [[property.getName(), value] as const] : [];
    }),
  );
  const resolve = (value: string) =>
    value.replaceAll(/\$\{?(\w+)\}?/g, (whole, name: string) => defaults.get(name) ?? whole);
  const stages = file.getFROMs();
  const lastLine = stages.at(-1)?.getRange().start.line ?? 0;
  const isLast = (instruction: Instruction) => instruction.getRange().start.line >= lastLine;
  return {
    bases: stages.map((stage) => resolve(stage.getImage() ?? '')),
    instructions: file
      .getInstructions()
      .filter(isLast)
      .map((one) => ({ keyword: one.getKeyword(), text: resolve(one.getArgumentsContent() ?? '') })),
    environment: Object.fromEntries(
      file
        .getENVs()
        .filter(isLast)
        .flatMap((one) => one.getProperties())
        .map((property) => [property.getName(), resolve(property.getValue() ?? '')]),
    ),
  };
}

/**
 * What Docker would refuse, and what an image of ours must not be: root's, on a base that changes, without a check of its
 * health, or with a shell between it and signals.
 * @param nodeVersion that everything here runs on
 */
export function findDockerfileProblems(text: string, nodeVersion: string): string[] {
  const { bases, instructions } = readRecipe(text);
  const last = (keyword: string) => instructions.findLast((one) => one.keyword === keyword)?.text ?? '';
  return [
    ...validate(text).map(({ message, range }) => {
      const said = typeof message === 'string' ? message : message.value;
      return `line ${range.start.line + 1}: ${said}`;
    }),
    ...bases.filter((base) => !PINNED.test(base)).map((base) => `base ${base} is not pinned`),
    ...bases
      .filter((base) => !base.startsWith(`node:${nodeVersion}-`))
      .map((base) => `base ${base} is not the Node.js ${nodeVersion} of package.json`),
    ...(/^[1-9]\d*(:\d+)?$/.test(last('USER')) ? [] : ['USER is no number above 0']),
    ...(last('HEALTHCHECK') ? [] : ['there is no HEALTHCHECK']),
    ...(last('ENTRYPOINT').startsWith('[')
      ? []
      : ['ENTRYPOINT runs in a shell, which keeps signals to itself']),
  ].map((problem) => `docker/Dockerfile: ${problem}`);
}

/** The version of Node.js that npm scripts run on. */
export function pinnedNodeVersion(): string {
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT_DIR, 'package.json'), 'utf8')) as {
    devDependencies: { node: string };
  };
  return devDependencies.node.replace(/^\D*/, '');
}
