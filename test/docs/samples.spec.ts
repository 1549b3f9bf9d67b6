import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const PAGES = ['README.md', 'libs/jetstream/README.md', 'docs/how-to/own-application.md'];
/** A block that begins with a plain file name is whole; others are parts of files, named with their path. */
const SAMPLE = /^```ts\n\/\/ ([\w.-]+\.ts)\n([\s\S]*?)^```/gm;
/** Beside the libraries, so that imports are resolved as they are in an app. Nothing is written there. */
const PLACE = join(process.cwd(), 'apps', 'samples');

function samplesOf(page: string): [file: string, text: string][] {
  return [...readFileSync(page, 'utf8').matchAll(SAMPLE)].map(([, name = '', text = '']) => [
    join(PLACE, dirname(page), name),
    text,
  ]);
}

/** What the compiler says of the files, which need not exist on disk. */
function errorsOf(files: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile('tsconfig.json', (file) => ts.sys.readFile(file));
  const { options } = ts.parseJsonConfigFileContent(
    { ...config, files: [], include: [] },
    ts.sys,
    process.cwd(),
  );
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (file) => files.has(file) || disk.fileExists(file),
    directoryExists: (path) => path.startsWith(PLACE) || ts.sys.directoryExists(path),
    readFile: (file) => files.get(file) ?? disk.readFile(file),
    getSourceFile: (file, ...rest) => {
      const text = files.get(file);
      return text === undefined
        ? disk.getSourceFile(file, ...rest)
        : ts.createSourceFile(file, text, rest[0], true);
    },
  };
  const program = ts.createProgram([...files.keys()], { ...options, noEmit: true }, host);
  return [...files.keys()].flatMap((file) => {
    const source = program.getSourceFile(file);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ messageText }) => `${file}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
  });
}

describe('samples in the documentation', () => {
  it('are accepted by the compiler', () => {
    const samples = PAGES.map(samplesOf);
    expect(samples.filter((found) => found.length === 0)).toEqual([]);
    const broken = join(PLACE, 'broken.ts');
    const files = new Map([...samples.flat(), [broken, 'export const count: number = "one";'] as const]);
    const errors = errorsOf(files);
    // One is broken on purpose, or nobody would notice that none is looked at.
    expect(errors).toEqual([expect.stringContaining(broken)]);
  });
});
