import 'reflect-metadata';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BenchEnvironment, Benchmark } from './benchmark.js';
import { codecs } from './codecs.bench.js';
import { dispatch } from './dispatch.bench.js';
import { inbox } from './inbox.bench.js';
import { intake } from './intake.bench.js';
import { measure } from './measure.js';
import { memory } from './memory.bench.js';
import { publish } from './publish.bench.js';
import { relay } from './relay.bench.js';
import { tracing } from './tracing.bench.js';
import { createReport, formatReport, writeReport } from './report.js';
import { system } from './system.bench.js';

const BENCHMARKS: readonly Benchmark[] = [
  codecs,
  dispatch,
  publish,
  inbox,
  intake,
  relay,
  tracing,
  system,
  memory,
];
const ROUNDS = 5;
const QUICK_ROUNDS = 3;
const QUICK_SCALE = 0.1;
/** Of their floors, what ratios have to reach in a quick run: few rounds on a busy machine find what became much slower. */
const QUICK_SHARE = 0.75;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
});
const environment: BenchEnvironment = {
  natsUrl: process.env['NATS_URL'] ?? 'nats://localhost:4222',
  natsSyncUrl: process.env['NATS_SYNC_URL'] ?? '',
  databaseUrl: process.env['DATABASE_URL'] ?? '',
  scale: values.quick ? QUICK_SCALE : 1,
};
const failures: string[] = [];
for (const benchmark of BENCHMARKS) {
  if (positionals.length > 0 && !positionals.includes(benchmark.name)) continue;
  const prepared = await benchmark.prepare(environment);
  try {
    const measurements = await measure(prepared.variants, values.quick ? QUICK_ROUNDS : ROUNDS);
    const report = createReport(benchmark, prepared, measurements, values.quick ? QUICK_SHARE : 1);
    console.log(formatReport(report, benchmark.unit, measurements));
    writeReport(report, join(process.cwd(), 'bench', 'results'));
    failures.push(...report.failures.map((failure) => `${benchmark.name}: ${failure}`));
  } finally {
    await prepared.close();
  }
}
for (const failure of failures) console.error(failure);
process.exit(failures.length > 0 ? 1 : 0);
