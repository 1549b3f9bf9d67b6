import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { createProgram } from './program.js';

describe('a command that is called wrongly', () => {
  /** What it is refused with; what commander says goes to `told`. */
  async function refuse(...args: string[]): Promise<string> {
    let told = '';
    const program = createProgram(() => undefined);
    const silence = (command: Command) => {
      command.configureOutput({ writeErr: (text) => (told += text) }).exitOverride();
      command.commands.forEach(silence);
    };
    silence(program);
    const error = await program.parseAsync(args, { from: 'user' }).then(
      () => undefined,
      (thrown: unknown) => thrown as Error & { nextStep?: string },
    );
    return `${told} ${error?.message} ${error?.nextStep}`;
  }

  it.each([
    [['pause', 'ORDERS'], "missing required argument 'consumer'"],
    [['pause', 'ORDERS', 'x', '--for', '10'], '90s, 10min, 2h or 1d'],
    [['pause', 'ORDERS', 'x', '--for', '99999999d'], 'no more than 3650d'],
    [['pause', 'ORDERS', 'x'], 'Give one of --for and --until'],
    [['dlq', 'ls', '--limit', 'many'], 'a whole number from 1 to 10000'],
    [['dlq', 'redrive', 'ORDERS:1', '--all'], 'Give one id, or --all'],
    [['dlq', 'redrive', 'ORDERS:1', '--stream', 'ORDERS'], 'stream only go with --all'],
    [['dlq', 'redrive', '--all', '--body', 'file'], '--body goes with one dead letter only'],
    [['replay', 'ORDERS', 'x', '--from', '2026-11-23'], 'a time with its zone'],
    [['replay', 'ORDERS', 'x', '--from', '2026-11-23T12:00:00'], 'a time with its zone'],
    [['outbox', 'set-aside'], "required option '--service <name>'"],
    [['outbox', 'requeue', '--service', 'order-service'], 'Give one id, or --all'],
    [['outbox', 'requeue', 'x', '--service', 'order-service'], 'x is not an id'],
    [['outbox', 'republish', '--service', 'order-service', '--since', 'noon'], 'a time with its zone'],
    [['describe', 'nobody'], 'order-service'],
  ])('%j says what is meant', async (args, expected) => {
    expect(await refuse(...args)).toContain(expected);
  });
});

describe('the version', () => {
  it('is that of the release', async () => {
    let told = '';
    const program = createProgram(() => undefined).configureOutput({ writeOut: (text) => (told += text) });
    await program.parseAsync(['--version'], { from: 'user' }).catch(() => undefined);
    expect(told).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
