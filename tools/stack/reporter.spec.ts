import { describe, expect, it } from '@jest/globals';
import { describeEvent, formatTable, Reporter, withoutPassword } from './reporter.ts';

describe('the table', () => {
  it('aligns its columns, and lets the last cell of a row be of any length', () => {
    expect(
      formatTable([
        ['a', 'one', 'x'],
        ['long', 'two', 'y'],
        ['b', 'a cell that ends its row'],
      ]),
    ).toBe(['  a     one  x', '  long  two  y', '  b     a cell that ends its row'].join('\n'));
  });
});

describe('a URL that the user gave', () => {
  it.each([
    ['nats://user:secret@host:4222', 'nats://user:…@host:4222'],
    ['postgresql://u:p%40ss@host/db', 'postgresql://u:…@host/db'],
    ['nats://token@host:4222', 'nats://…@host:4222'],
    ['nats://host:4222', 'nats://host:4222'],
    ['nats://u:secret@a:4222,nats://u:secret@b:4222', 'nats://u:…@a:4222,nats://u:…@b:4222'],
  ])('is shown without its password: %s', (url, shown) => {
    expect(withoutPassword(url)).toBe(shown);
  });
});

describe('a process that dies', () => {
  it('is told about in one line with the time of its restart', () => {
    const event = {
      kind: 'failed',
      name: 'nats',
      reason: 'nats exited with code 1\n  | log',
      restartInMs: 250,
    } as const;
    expect(describeEvent(event, false)).toBe('  ! nats exited with code 1; restarting it in 0.3 s');
  });

  it('is told about again when it is back, but not when it starts for the first time', () => {
    const event = { kind: 'ready', name: 'nats', pid: 7, afterMs: 1_240 } as const;
    expect(describeEvent(event, true)).toBe('  ✓ nats is back after 1.2 s, pid 7');
    expect(describeEvent(event, false)).toBeUndefined();
  });
});

describe('a step', () => {
  function output(isTTY: boolean) {
    const written: string[] = [];
    return { written, isTTY, write: (text: string) => written.push(text) };
  }

  it('is one plain line where the output is no terminal', async () => {
    const log = output(false);
    await new Reporter(log).step(
      'build',
      () => Promise.resolve(3),
      (count) => `${count} apps`,
    );
    expect(log.written.join('')).toMatch(/^ {2}✓ build: 3 apps {2}\d+\.\d s\n$/);
  });

  it('ends before the next line begins on a terminal, which then starts a clean line', async () => {
    const terminal = output(true);
    const reporter = new Reporter(terminal);
    await reporter.step('build', () => Promise.resolve());
    reporter.line('Slipstream is ready');
    expect(terminal.written.at(-1)).toBe('Slipstream is ready\n');
  });

  it('that fails is marked, and the error passed on', async () => {
    const log = output(false);
    const failing = new Reporter(log).step('build', () => Promise.reject(new Error('broken')));
    await expect(failing).rejects.toThrow('broken');
    expect(log.written.join('')).toMatch(/^ {2}✗ build/);
  });
});
