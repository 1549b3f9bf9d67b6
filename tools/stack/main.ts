import { join, relative } from 'node:path';
import { DATA_DIR } from '../paths.ts';
import { type LockResult, tryLock } from '../process/lock.mjs';
import { messageOf, SetupError } from '../setup-error.ts';
import { parseStartOptions, type StartOptions, USAGE, UsageError } from './options.ts';
import { Reporter } from './reporter.ts';
import { dataDirOf, start, type Started } from './start.ts';

/** npm passes a Ctrl-C on that the terminal has sent to us already: the echo is not a second one. */
const ECHO_MS = 500;

const reporter = new Reporter();
process.exitCode = await main();
// Whatever still holds the event loop has no work left to do.
process.exit();

async function main(): Promise<number> {
  // A reader that went away (`npm start | head`) must not take the stack down.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    const options = parseStartOptions(process.argv.slice(2), process.env);
    if (options.help) {
      console.log(USAGE);
      return 0;
    }
    return await runLocked(options);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${USAGE}`);
      return 2;
    }
    console.error(error instanceof SetupError ? `\n${error.message}` : error);
    return 1;
  }
}

async function runLocked(options: StartOptions): Promise<number> {
  const lock = lockData();
  if (!lock.acquired) {
    const { pid, since } = lock.holder;
    throw new SetupError(
      `Slipstream runs here already: pid ${pid}, since ${new Date(since).toLocaleString()}.\n` +
        `Stop that one first (Ctrl-C there, or: kill ${pid}).`,
    );
  }
  try {
    return await run(options);
  } finally {
    lock.release();
  }
}

/** The first thing that is written: of another user's clone, a read-only or a full disk the message says enough. */
function lockData(): LockResult {
  try {
    return tryLock(join(DATA_DIR, 'locks', 'stack'));
  } catch (error) {
    throw new SetupError(`Data cannot be written here: ${messageOf(error)}`, { cause: error });
  }
}

async function run(options: StartOptions): Promise<number> {
  const stopping = new AbortController();
  let started: Started | undefined;
  onStopRequest(stopping, () => started?.stack.killNow());
  try {
    started = await start(options, reporter, stopping.signal);
    reporter.line('Slipstream is ready');
    reporter.line(`Ctrl-C stops it. Data are kept in ${relative(process.cwd(), dataDirOf(options))}.`);
    await aborted(stopping.signal);
    const { stack } = started;
    reporter.line('');
    await reporter.step('drain and stop', () => stack.stop());
    started.ports.release();
    return 0;
  } catch (error) {
    if (stopping.signal.aborted && error === stopping.signal.reason) {
      reporter.line('Stopped.');
      return 0;
    }
    throw new SetupError(messageOf(error), { cause: error });
  }
}

function onStopRequest(stopping: AbortController, killNow: () => void): void {
  let askedAt: number | undefined;
  const ask = () => {
    askedAt ??= performance.now();
    stopping.abort();
  };
  process.on('SIGINT', () => {
    if (askedAt !== undefined && performance.now() - askedAt > ECHO_MS) {
      killNow();
      process.exit(130);
    }
    ask();
  });
  process.on('SIGTERM', ask);
  process.on('SIGHUP', ask);
  // The process that started this one has died without a signal to pass on.
  process.on('disconnect', ask);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
