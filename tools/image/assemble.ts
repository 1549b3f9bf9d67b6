import { nodeFileTrace } from '@vercel/nft';
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { ROOT_DIR } from '../paths.ts';
import { APPS } from '../stack/apps.ts';
import { entryFileOf } from '../stack/units.ts';

/** Files that are read by their path at run time, which no trace of imports shows: packages, by the app's own imports. */
const WHOLE_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  // Served at /docs.
  'swagger-ui-dist': [
    'swagger-ui.css',
    'swagger-ui-bundle.js',
    'swagger-ui-standalone-preset.js',
    'favicon-16x16.png',
    'favicon-32x32.png',
  ],
};
/** No time of a build is in the files, so that the same sources give the same image. */
const FILE_TIME = new Date(Number(process.env.SOURCE_DATE_EPOCH ?? 0) * 1_000);

export interface AssembledImage {
  /** Relative to the image's directory. */
  readonly files: readonly string[];
}

/**
 * Puts what a built app needs at run time, and nothing else, into a directory: its own output, the pages it serves, the
 * files of production dependencies that it imports, `main.js` that starts it and `healthcheck.js` that asks whether it is alive.
 */
export async function assembleImage(app: string, directory: string): Promise<AssembledImage> {
  const entry = relative(ROOT_DIR, entryFileOf(app));
  const { fileList } = await nodeFileTrace([entry], { base: ROOT_DIR, processCwd: ROOT_DIR });
  const needed = new Set([...fileList, ...sourceMapsOf(fileList), ...readByPath(fileList), ...pagesOf(app)]);
  const files = [...needed].toSorted();
  rmSync(directory, { recursive: true, force: true });
  for (const file of files) {
    const target = join(directory, file);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(ROOT_DIR, file), target, { verbatimSymlinks: true });
  }
  writeFileSync(join(directory, 'main.js'), `await import('./${entry}');\n`);
  writeFileSync(join(directory, 'healthcheck.js'), healthCheck(portOf(app)));
  normalize(directory);
  return { files: [...files, 'healthcheck.js', 'main.js'] };
}

function portOf(app: string): number | undefined {
  return APPS.find(({ name }) => name === app)?.port;
}

/** Exits with 0 when the process answers. An app without a port has nothing to answer with. */
function healthCheck(port: number | undefined): string {
  if (port === undefined) return '';
  return [
    `const url = \`http://127.0.0.1:\${process.env.PORT ?? ${port}}/health/live\`;`,
    `const answer = await fetch(url, { signal: AbortSignal.timeout(3_000) }).catch(() => undefined);`,
    `process.exit(answer?.ok ? 0 : 1);`,
    '',
  ].join('\n');
}

/** Stack traces name lines of the sources. */
function sourceMapsOf(files: ReadonlySet<string>): string[] {
  return [...files]
    .filter((file) => file.startsWith('dist/') && file.endsWith('.js'))
    .map((file) => `${file}.map`)
    .filter((file) => existsSync(join(ROOT_DIR, file)));
}

/** Served by their path; that the trace finds them too is a guess of its. */
function pagesOf(app: string): string[] {
  return globSync(`dist/web/${app}/**`, { cwd: ROOT_DIR, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(ROOT_DIR, join(parentPath, name)));
}

function readByPath(files: ReadonlySet<string>): string[] {
  const needed = Object.entries(WHOLE_PACKAGES).filter(([name]) =>
    [...files].some((file) => file.startsWith(`node_modules/${name}/`)),
  );
  const require = createRequire(join(ROOT_DIR, 'package.json'));
  return needed.flatMap(([name, names]) => {
    const home = relative(ROOT_DIR, dirname(require.resolve(`${name}/package.json`)));
    return names.map((file) => join(home, file));
  });
}

/** Readable by any user and written to by none; the time of every file is the same. */
function normalize(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) normalize(child);
    else if (entry.isFile()) chmodSync(child, 0o444);
    lutimesSync(child, FILE_TIME, FILE_TIME);
  }
  chmodSync(path, 0o755);
}
