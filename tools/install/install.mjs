import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { waitForLock } from '../process/lock.mjs';

/** @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockedPackage */

export const ROOT_DIR = fileURLToPath(new URL('../..', import.meta.url));
/** The Node.js that the project is pinned to; npm installs it. */
export const PINNED_NODE = join(ROOT_DIR, 'node_modules', 'node', 'bin', 'node');

const PROGRESS_MS = 10_000;
/** @type {NodeJS.Signals[]} */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Runs `npm ci` unless what is installed is what the lock file asks for. */
export async function ensureInstalled() {
  if (isInstalled()) return;
  const release = await waitForLock(join(ROOT_DIR, '.data', 'locks', 'install'), ({ pid }) => {
    console.log(`Waiting for another installation (pid ${pid}) …`);
  });
  try {
    if (!isInstalled()) await install();
  } finally {
    release();
  }
}

function isInstalled() {
  if (!existsSync(PINNED_NODE)) return false;
  const wanted = readPackages(join(ROOT_DIR, 'package-lock.json'));
  // npm writes this file at the end of every installation, however it was started.
  const installed = readPackages(join(ROOT_DIR, 'node_modules', '.package-lock.json'));
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    const found = installed[path];
    // Optional packages are those of other platforms, too.
    if (path === '' || (optional && !found)) return true;
    return found !== undefined && found.version === version && found.integrity === integrity;
  });
}

/**
 * @param {string} file
 * @returns {Record<string, LockedPackage>}
 */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

async function install() {
  const startedAt = Date.now();
  const elapsed = () => `${Math.round((Date.now() - startedAt) / 1000)} s`;
  console.log('Installing dependencies (npm ci) …');
  const timer = setInterval(() => console.log(`  … still installing  ${elapsed()}`), PROGRESS_MS);
  try {
    await installLocked();
  } finally {
    clearInterval(timer);
  }
  if (!existsSync(PINNED_NODE)) {
    throw new Error(
      'npm did not install the pinned Node.js: install scripts are switched off.\n' +
        'Allow them (npm config delete ignore-scripts) and run this again.',
    );
  }
  console.log(`  ✓ installed  ${elapsed()}`);
}

async function installLocked() {
  const failure = await runNpm(['ci']);
  if (failure === undefined) return;
  if (!lacksForeignBinariesOnly(failure)) throw new Error(`npm ci failed.\n${failure}`);
  // The same packages: --no-save leaves the lock file alone.
  const secondFailure = await runNpm(['install', '--no-save']);
  if (secondFailure !== undefined) throw new Error(`npm install failed.\n${secondFailure}`);
}

/**
 * npm ci also refuses a lock file for what it leaves out because the registry in use does not have it: optional
 * packages, which hold the binaries of other platforms. They have no version in the message.
 *
 * @param {string} failure
 */
function lacksForeignBinariesOnly(failure) {
  const complaints = failure.split('\n').filter((line) => /(Missing|Invalid): /.test(line));
  return complaints.length > 0 && complaints.every((line) => /Missing: \S+@ from lock file/.test(line));
}

/**
 * @param {string[]} command
 * @returns {Promise<string | undefined>} what npm says when it fails
 */
async function runNpm(command) {
  /** @type {import('node:child_process').ChildProcessByStdio<null, import('node:stream').Readable, import('node:stream').Readable>} */
  let child;
  const end = (/** @type {NodeJS.Signals} */ signal) => {
    child.kill('SIGTERM');
    // npm would undo all it has done first; the next start installs anew in any case.
    setTimeout(() => child.kill('SIGKILL'), 2_000).unref();
    child.once('close', () => process.exit(128 + constants.signals[signal]));
  };
  // A Ctrl-C comes twice, from the terminal and from npm: unheard, the second would end us and leave ours behind.
  // Heard before npm is started: one that came right after it would do the same.
  for (const signal of SIGNALS) process.on(signal, end);
  try {
    // What builds and tests is needed in a production environment too.
    child = spawn('npm', [...command, '--include=dev', '--include=optional', '--no-audit', '--no-fund'], {
      cwd: ROOT_DIR,
      env: { ...process.env, PATH: pathWithoutProject() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise((settle, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => settle(signal ?? code));
    });
    const [status, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    if (status === 0) return undefined;
    const told = errors.split('\n').filter((line) => line.startsWith('npm error'));
    return told.join('\n') || errors || output || `it ended with ${status}`;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, end);
  }
}

/** npm ci removes node_modules: the programs it runs must not come from there. */
function pathWithoutProject() {
  const own = join(ROOT_DIR, 'node_modules', '.bin');
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => resolve(entry) !== own)
    .join(delimiter);
}
