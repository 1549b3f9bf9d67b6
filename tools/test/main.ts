import { run } from 'jest';
import { CACHE_DIR } from '../paths.ts';
import { findNatsServer } from '../servers/nats-server-binary.ts';
import { SetupError } from '../setup-error.ts';
import { APPS } from '../stack/apps.ts';
import { buildApps } from '../stack/build.ts';
import { Reporter } from '../stack/reporter.ts';

/** For runs of single files that start no app. */
const NO_BUILD = '--no-build';
/** For what ends by itself after the last test. */
const EXIT_GRACE_MS = 20_000;

// The programs that tests start are ended by their guards; Jest's workers are in our process group.
process.once('disconnect', () => process.kill(-process.pid, 'SIGTERM'));
// A listener alone would keep Jest from ending.
process.channel?.unref();
const args = process.argv.slice(2);
try {
  await prepare(args.includes(NO_BUILD));
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exit(1);
}
await run(args.filter((arg) => arg !== NO_BUILD));
failWhenLeftOpen();

/** A connection that a test left open would keep a run that nobody watches from ending. */
function failWhenLeftOpen(): void {
  setTimeout(() => {
    console.error(`a test left open: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit(1);
  }, EXIT_GRACE_MS).unref();
}

async function prepare(skipBuild: boolean): Promise<void> {
  // Standard output belongs to Jest: it may be its JSON.
  const reporter = new Reporter(process.stderr);
  const nats = await findNatsServer({ cacheDir: CACHE_DIR });
  process.env.NATS_SERVER_BIN = nats.path;
  reporter.line(`nats-server ${nats.version}, ${nats.origin}`);
  if (skipBuild) return;
  await reporter.step('build the apps', () => buildApps(APPS.map(({ name }) => name)));
}
