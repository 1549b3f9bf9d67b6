import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type LaunchOptions } from 'playwright-core';
import { guard } from '../process/guard.ts';
import { processIdentity } from '../process/identity.mjs';
import { waitForLock } from '../process/lock.mjs';
import { messageOf, SetupError } from '../setup-error.ts';
import { fetchDebianPackages, INSTALLED_SUITE, type UnpackedPackages } from './debian-package.ts';
import { environmentWith, libraryPathIn } from './library-path.ts';
import { executablesOnPath } from './on-path.ts';
import { runCommand } from './run-command.ts';

export interface ChromiumBinary {
  readonly path: string;
  readonly version: string;
  /** Where it was found, in words. */
  readonly origin: string;
  /** Holds the libraries and fonts that came with it. */
  readonly directory?: string;
}

export interface RunningChromium {
  /** Its first context; `context.browser()` makes others. */
  readonly context: BrowserContext;
  /** Leads the group of its processes. */
  readonly pid: number;
  /** Holds its profile; removed when it is stopped. */
  readonly directory: string;
  readonly stop: () => Promise<void>;
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/** What is not to be fetched for it, some by the names of several releases. */
const DISPENSABLE = [
  // Another libc than the system's loader is of makes every program crash.
  'libc6',
  // With these it would be 221 MB and not 133 (Debian 12): they are for windows, which a headless browser has not.
  'libgtk-3-0',
  'libgtk-3-0t64',
  'x11-utils',
  'xdg-utils',
];
/** There is no GPU to look for and no QUIC to wait for; Playwright's own keep it from talking to anybody unasked. */
const ARGS = ['--disable-gpu', '--disable-quic'];

/** A Chromium on PATH, else the distribution's package, unpacked beside the servers. */
export async function findChromium({
  cacheDir,
  env = process.env,
}: {
  readonly cacheDir: string;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}): Promise<ChromiumBinary> {
  const failures: string[] = [];
  for (const path of NAMES.flatMap((name) => executablesOnPath(name, env.PATH ?? ''))) {
    try {
      return await describe({ path, origin: 'PATH' });
    } catch (error) {
      failures.push(`  ${messageOf(error)}`);
    }
  }
  try {
    return await fromDistribution(cacheDir);
  } catch (error) {
    failures.push(`  package of the distribution: ${messageOf(error)}`);
  }
  throw new SetupError(
    ['No Chromium was found and none could be fetched.', ...failures, 'Install one and put it on PATH.'].join(
      '\n',
    ),
  );
}

/** The same for tests: undefined where there is none, so that they are skipped, which CI does not put up with. */
export async function findTestChromium(
  lookup: Parameters<typeof findChromium>[0],
): Promise<ChromiumBinary | undefined> {
  // Test files run side by side, and each would fetch its own.
  const release = await waitForLock(join(lookup.cacheDir, 'locks', 'chromium'));
  try {
    return await findChromium(lookup);
  } catch (error) {
    if (process.env.CI) throw error;
    process.stderr.write(`tests in a browser are skipped: ${messageOf(error)}\n`);
    return undefined;
  } finally {
    release();
  }
}

/** Starts a browser without a window, whose profile is new and gone after it was stopped. */
export async function launchChromium(binary: ChromiumBinary): Promise<RunningChromium> {
  const directory = mkdtempSync(join(tmpdir(), 'slipstream-chromium-'));
  guard.removeAtExit(directory);
  const started: { context?: BrowserContext; pid?: number } = {};
  const stop = async () => {
    await started.context?.close();
    if (started.pid) guard.forget(started.pid);
    // Its helpers end a moment later than the browser and may still write.
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    guard.keep(directory);
  };
  try {
    const options = launchOptions(binary, directory);
    const context = await chromium.launchPersistentContext(join(directory, 'profile'), options);
    started.context = context;
    const pid = await pidOf(context);
    started.pid = pid;
    // It ends with this process by itself, but would go on writing while the guard removes its profile.
    guard.watch({ pid, identity: processIdentity(pid), stage: 0, signal: 'SIGKILL', timeoutMs: 0 });
    return { context, pid, directory, stop };
  } catch (error) {
    await stop();
    throw new SetupError(`${binary.path} could not be started: ${messageOf(error)}`);
  }
}

/** For Playwright. The directory is for what the browser writes outside of its profile. */
export function launchOptions(binary: ChromiumBinary, directory: string): LaunchOptions {
  return {
    executablePath: binary.path,
    args: ARGS,
    // Chromium refuses to start its sandbox as root.
    chromiumSandbox: process.getuid?.() !== 0,
    artifactsDir: join(directory, 'artifacts'),
    // Where Playwright listens for them, these signals no longer end this process.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    env: {
      ...environmentOf(binary),
      // It keeps certificates and crash reports in the home directory.
      HOME: directory,
      ...(binary.directory && { FONTCONFIG_FILE: writeFontConfiguration(binary.directory, directory) }),
    },
  };
}

async function pidOf(context: BrowserContext): Promise<number> {
  const session = await context.browser()?.newBrowserCDPSession();
  const processes = (await session?.send('SystemInfo.getProcessInfo'))?.processInfo;
  await session?.detach();
  const browser = processes?.find(({ type }) => type === 'browser');
  if (!browser) throw new Error('it names no process of its own');
  return browser.id;
}

async function fromDistribution(cacheDir: string): Promise<ChromiumBinary> {
  const inPackages = ({ directory, origin }: UnpackedPackages) =>
    describe({ path: join(directory, 'usr/lib/chromium/chromium'), origin, directory });
  return inPackages(
    await fetchDebianPackages({
      packages: ['chromium', 'fonts-dejavu-core', 'fontconfig-config'],
      suite: INSTALLED_SUITE,
      dependenciesExcept: DISPENSABLE,
      cacheDir: join(cacheDir, 'chromium'),
      check: inPackages,
    }),
  );
}

async function describe(found: Omit<ChromiumBinary, 'version'>): Promise<ChromiumBinary> {
  const options = { timeoutMs: 30_000, env: environmentOf(found) };
  const version = /\d+(\.\d+){3}/.exec(await runCommand(found.path, ['--version'], options))?.[0];
  if (!version) throw new Error(`${found.path} --version printed no version`);
  return { ...found, version };
}

function environmentOf({ directory }: Pick<ChromiumBinary, 'directory'>): NodeJS.ProcessEnv {
  // libpulse looks for its other half where it would have been installed.
  return environmentWith(directory && libraryPathIn(directory, ['pulseaudio']));
}

/** The system may have no font, and then no text is drawn; with these alone pages look the same on every system. */
function writeFontConfiguration(packages: string, directory: string): string {
  const escaped = (path: string) => path.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const rules = escaped(join(packages, 'usr/share/fontconfig/conf.avail'));
  const file = join(directory, 'fonts.conf');
  writeFileSync(
    file,
    `<fontconfig>
  <dir>${escaped(join(packages, 'usr/share/fonts'))}</dir>
  <cachedir>${escaped(join(directory, 'fontconfig'))}</cachedir>
  <include>${rules}/49-sansserif.conf</include>
  <include>${rules}/60-latin.conf</include>
</fontconfig>
`,
  );
  return file;
}
