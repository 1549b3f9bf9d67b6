import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVICE_URLS } from '../../apps/service-urls.js';
import type { Variable } from './variables.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** What apps read before there is a schema, or leave to the SDK of OpenTelemetry. */
export const everywhere: readonly Variable[] = [
  {
    name: 'HOST',
    unset: '127.0.0.1',
    description: 'Address to listen on; the images have `0.0.0.0`.',
  },
  {
    name: 'LOG_LEVEL',
    unset: 'info',
    description:
      'Least level that is written: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`.',
  },
  {
    name: 'LOG_PRETTY',
    unset: undefined,
    description: 'Any value but `0` and `false`: lines for people instead of JSON, on a terminal.',
  },
  {
    name: 'FAULT',
    unset: undefined,
    description:
      'For tests of crashes alone: `<point>:<nth>:<kill9|throw>` ends the process, or fails, at a place in the code.',
  },
  {
    name: 'FAULT_LOG',
    unset: undefined,
    description: 'File that is appended to when a fault fires.',
  },
];

export const traces: readonly Variable[] = [
  {
    name: 'OTEL_SERVICE_NAME',
    unset: undefined,
    description: "Name of the service in its spans, else the app's own.",
  },
  { name: 'OTEL_SPAN_LINK_COUNT_LIMIT', unset: '1000', description: 'Most links that a span keeps.' },
];

/** The commands that ask more than how a service is. */
const ASKED_BY: Readonly<Record<string, string>> = {
  'order-service': '`audit`, `trace` and `doctor`',
  'audit-service': '`audit` and `doctor`',
};

const url = (name: string, port: number, description: string): Variable => ({
  name,
  unset: `http://localhost:${port}`,
  description: `URL ${description}`,
});

/** What is in no schema of an app. */
export const commandLine: readonly Variable[] = [
  ...Object.entries(SERVICE_URLS).map(([variable, { service, port }]) =>
    url(variable, port, `of ${service}, for ${ASKED_BY[service] ?? '`doctor`'}.`),
  ),
  url('NATS_MONITOR_URL', 8222, 'of the HTTP monitoring of a NATS server, for `doctor`.'),
];

export const tools: readonly Variable[] = [
  {
    name: 'PORT_OFFSET',
    unset: undefined,
    description:
      '`npm start`: number that is added to every port, so that several stacks run side by side. When unset, the usual ports, or free ones where those are taken.',
  },
  {
    name: 'NATS_URL, DATABASE_URL, REDIS_URL',
    unset: undefined,
    description:
      '`npm start`, tests and benchmarks: URLs of servers that run already; else these start their own. No service reads `REDIS_URL`: the inbox in Redis is for apps of your own.',
  },
  {
    name: 'NATS_MONITOR_URL',
    unset: undefined,
    description: '`npm start` with `NATS_URL`: URL of the HTTP monitoring of that server.',
  },
  {
    name: 'NATS_SERVER_BIN',
    unset: undefined,
    description: 'Program nats-server that is started. When unset, one is found or fetched.',
  },
  {
    name: 'NATS_LEGACY_SERVER_BIN',
    unset: undefined,
    description: 'Tests: an older nats-server, on which everything must work too.',
  },
  {
    name: 'NATS_SYNC_URL',
    unset: undefined,
    description: 'Benchmarks: URL of a NATS server that has messages on disk before it acknowledges them.',
  },
  { name: 'PROMETHEUS_BIN', unset: undefined, description: 'Tests of metrics: program prometheus.' },
  {
    name: 'CI',
    unset: undefined,
    description: 'Any value: tests fail instead of being skipped where a program they need is missing.',
  },
  {
    name: 'SOURCE_DATE_EPOCH',
    unset: '0',
    description: 'Seconds since 1970 that files in an image are dated.',
  },
];

/** Not for people to set: of the shell, of npm, and what programs here tell those they start. */
const INTERNAL = new Set(['PATH', 'LD_LIBRARY_PATH', 'INIT_CWD', 'FAULT_TIER']);

/** `process.env.NAME`, `env['NAME']`; what is taken apart otherwise is not found. */
const READ = /\benv(?:ironment)?(?:\.|\[')([A-Z][A-Z0-9_]+)\b/g;

/** @throws Error naming variables that programs read and the reference leaves out */
export function assertAllListed(listed: ReadonlySet<string>): void {
  const isListed = (name: string) => listed.has(name) || listed.has(name.replace(/_FILE$/, ''));
  const unlisted = globSync('{apps,libs,tools}/**/*.{ts,mjs}', { cwd: ROOT, exclude: isNoProgram }).flatMap(
    (file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(READ)].flatMap(([, name = '']) =>
        isListed(name) || INTERNAL.has(name) ? [] : [`${file} reads ${name}`],
      ),
  );
  if (unlisted.length > 0) {
    throw new Error(`${unlisted.join('; ')}: add what it does to docs/generator/other-variables.ts`);
  }
}

function isNoProgram(path: string): boolean {
  return /(^|\/)(node_modules|dist|test)$|\.spec\.ts$/.test(path);
}
