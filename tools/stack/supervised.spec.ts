import { describe, expect, it } from '@jest/globals';
import type { ExitStatus, ManagedProcess } from '../process/managed-process.ts';
import type { StackEvent } from './events.ts';
import { Supervised } from './supervised.ts';

/** Processes that end when they are told to, and are ready at once. */
class PretendApp {
  readonly name = 'app';
  readonly stopStage = 0;
  readonly processes: (ManagedProcess & { end(status: ExitStatus): void })[] = [];
  isReady = true;
  crashesAtOnce = false;

  launch = (): Promise<ManagedProcess> => {
    const exit = Promise.withResolvers<ExitStatus>();
    const process = {
      name: this.name,
      pid: this.processes.length + 1,
      exited: exit.promise,
      kill: (signal: NodeJS.Signals) => exit.resolve({ code: null, signal }),
      stop: () => {
        exit.resolve({ code: 0, signal: null });
        return exit.promise;
      },
      lastLogLines: () => ['what the log says'],
      end: (status: ExitStatus) => exit.resolve(status),
    };
    this.processes.push(process);
    if (this.crashesAtOnce) process.end({ code: 1, signal: null });
    return Promise.resolve(process);
  };

  waitUntilReady = async (process: ManagedProcess): Promise<void> => {
    if (this.isReady) return;
    await process.exited;
    throw new Error('it ended');
  };
}

function supervise(app: PretendApp, restart = true) {
  const events: StackEvent[] = [];
  return { events, supervised: new Supervised(app, { restart, onEvent: (event) => events.push(event) }) };
}

describe('a supervised process', () => {
  it('is started again after it was killed, and ready means the new one', async () => {
    const { supervised, events } = supervise(new PretendApp());
    await supervised.start(1_000);
    await supervised.kill('SIGKILL');
    await supervised.ready();
    expect(supervised.pid).toBe(2);
    expect(events).toMatchObject([
      { kind: 'ready', pid: 1 },
      { kind: 'failed', reason: 'was killed by SIGKILL', restartInMs: 250 },
      { kind: 'ready', pid: 2 },
    ]);
    await supervised.halt();
  });

  it('is started again also when it ended with code 0', async () => {
    const app = new PretendApp();
    const { supervised } = supervise(app);
    await supervised.start(1_000);
    app.processes[0]?.end({ code: 0, signal: null });
    await app.processes[0]?.exited;
    await supervised.ready();
    expect(app.processes).toHaveLength(2);
    await supervised.halt();
  });

  it('stays down while it is halted, and comes back when it is resumed', async () => {
    const app = new PretendApp();
    const { supervised } = supervise(app);
    await supervised.start(1_000);
    await supervised.halt();
    expect(supervised.pid).toBeUndefined();
    supervised.resume();
    await supervised.ready();
    expect(app.processes).toHaveLength(2);
    await supervised.halt();
  });

  it('is not started again where restarts are off', async () => {
    const app = new PretendApp();
    const { supervised, events } = supervise(app, false);
    await supervised.start(1_000);
    await supervised.kill('SIGKILL');
    await supervised.halt();
    expect(app.processes).toHaveLength(1);
    expect(events.at(-1)).not.toHaveProperty('restartInMs', expect.any(Number));
  });
});

describe('the first start', () => {
  it('is given up when the process ends again and again, with the end of its log', async () => {
    const app = Object.assign(new PretendApp(), { isReady: false, crashesAtOnce: true });
    const { supervised } = supervise(app);
    await expect(supervised.start(10_000)).rejects.toThrow(
      /app exited with code 1\n {2}\| what the log says/,
    );
    expect(app.processes).toHaveLength(3);
  });

  it('is given up when the process is not ready in time, with the end of its log', async () => {
    const app = Object.assign(new PretendApp(), { isReady: false });
    const { supervised } = supervise(app);
    await expect(supervised.start(20)).rejects.toThrow(/was not ready within 0 s\n {2}\| what the log says/);
    await supervised.halt();
  });

  it('is given up at once when the process cannot be launched', async () => {
    const app = Object.assign(new PretendApp(), { launch: () => Promise.reject(new Error('not built')) });
    await expect(supervise(app).supervised.start(1_000)).rejects.toThrow('not built');
  });

  it('ends when the stack is stopped meanwhile', async () => {
    const app = Object.assign(new PretendApp(), { isReady: false });
    const { supervised } = supervise(app);
    await Promise.all([expect(supervised.start(10_000)).rejects.toThrow(/being stopped/), supervised.halt()]);
  });
});
