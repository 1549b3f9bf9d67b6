// Builds the apps named on the command line, as `nest build` does, but in one go: sources they share are
// parsed once instead of once for each app, and types are left to `npm run check`.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tsconfigPathsBeforeHookFactory } from '@nestjs/cli/lib/compiler/hooks/tsconfig-paths.hook.js';
import ts from 'typescript';
import { ROOT_DIR } from '../paths.ts';
import { runCommand } from '../servers/run-command.ts';

interface NestProject {
  readonly compilerOptions?: Readonly<Record<string, unknown>>;
}

/** All that this compiler does of what a project can ask of the Nest CLI. */
const KNOWN_OPTIONS = ['builder', 'deleteOutDir', 'tsConfigPath'];

const parsed = new Map<string, ts.SourceFile | undefined>();
let previous: ts.Program | undefined;

for (const app of process.argv.slice(2)) {
  if (isPlain(app)) compile(app);
  else await buildWithNest(app);
}

function isPlain(app: string): boolean {
  const config = JSON.parse(readFileSync(join(ROOT_DIR, 'nest-cli.json'), 'utf8')) as NestProject & {
    projects?: Record<string, NestProject>;
  };
  const options = { ...config.compilerOptions, ...config.projects?.[app]?.compilerOptions };
  return options.builder === 'tsc' && Object.keys(options).every((name) => KNOWN_OPTIONS.includes(name));
}

function compile(app: string): void {
  const configFile = join(ROOT_DIR, 'apps', app, 'tsconfig.app.json');
  const config = ts.getParsedCommandLineOfConfigFile(
    configFile,
    { noCheck: true },
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (diagnostic) => fail(app, [diagnostic]),
    },
  );
  if (!config || config.errors.length > 0) return fail(app, config?.errors ?? []);
  const { options, fileNames } = config;
  const program = ts.createProgram({
    rootNames: fileNames,
    options,
    host: createSharingHost(options),
    oldProgram: previous,
  });
  previous = program;
  const errors = [...program.getOptionsDiagnostics(), ...program.getSyntacticDiagnostics()];
  if (errors.length > 0) return fail(app, errors);
  if (options.outDir) rmSync(options.outDir, { recursive: true, force: true });
  const resolvePaths = tsconfigPathsBeforeHookFactory(options);
  const emitted = program.emit(undefined, undefined, undefined, undefined, {
    before: resolvePaths ? [resolvePaths] : [],
  });
  if (emitted.emitSkipped) fail(app, emitted.diagnostics);
}

function createSharingHost(options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options);
  return {
    ...host,
    getSourceFile: (file, ...rest) => {
      if (!parsed.has(file)) parsed.set(file, host.getSourceFile(file, ...rest));
      return parsed.get(file);
    },
  };
}

async function buildWithNest(app: string): Promise<void> {
  const nest = join(ROOT_DIR, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
  await runCommand(process.execPath, [nest, 'build', app], { cwd: ROOT_DIR });
}

function fail(app: string, errors: readonly ts.Diagnostic[]): never {
  const host = {
    getCanonicalFileName: (path: string) => path,
    getCurrentDirectory: () => ROOT_DIR,
    getNewLine: () => '\n',
  };
  console.error(`${app}:\n${ts.formatDiagnostics(errors.slice(0, 5), host)}`);
  process.exit(1);
}
