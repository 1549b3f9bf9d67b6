import 'reflect-metadata';
import { CommanderError } from 'commander';
import { describeFailure } from './errors.js';
import { EXIT, exitCodeOf } from './exit-codes.js';
import { createProgram } from './program.js';

// Whoever reads the output may stop before its end, as `head` does.
process.stdout.on('error', () => process.exit());

try {
  await createProgram((code) => (process.exitCode = code)).parseAsync();
} catch (error) {
  process.exitCode = fail(error);
}

function fail(error: unknown): number {
  // Commander has told already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const failure = describeFailure(error);
  const text = process.argv.includes('--json')
    ? JSON.stringify({ version: 1, kind: 'error', data: failure })
    : `slipstream: ${failure.message}${/[.?!]$/.test(failure.message) ? '' : '.'} ${failure.nextStep}`.trim();
  process.stderr.write(`${text}\n`);
  return exitCodeOf(error);
}
