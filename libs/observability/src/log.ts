import { pino, type DestinationStream, type Logger } from 'pino';
import { BatchedOutput } from './batched-output.js';
import { BoundedOutput } from './bounded-output.js';
import { toLoggedError } from './logged-error.js';
import { PrettyStream } from './pretty-stream.js';
import { currentRequest } from './request-log.js';
import { timestampFragment } from './timestamp.js';
import { traceFields } from './tracing/log-fields.js';

/** What the log is configured by. */
export interface LogEnvironment {
  /** Least level that is written: trace, debug, info, warn, error, fatal or silent. @default 'info' */
  readonly LOG_LEVEL?: string | undefined;
  /** Any value but 0 or false: lines for a human instead of JSON, if standard output is a terminal. */
  readonly LOG_PRETTY?: string | undefined;
}

const DEFAULT_LEVEL = 'info';
const LEVELS = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']);

const NOTHING = {};

const SECRETS = ['authorization', 'cookie', '["set-cookie"]', '["proxy-authorization"]', '["x-api-key"]'];

/**
 * Creates the log of a process: one JSON object a line on standard output, written asynchronously. Lines still in
 * memory are written when the process exits, other than by SIGKILL. A LOG_LEVEL that is no level is reported in the
 * log, and counts as `info`.
 */
export function createLog(
  service: string,
  env: LogEnvironment = process.env,
  destination: DestinationStream = createDestination(env),
): Logger {
  const wanted = env.LOG_LEVEL || DEFAULT_LEVEL;
  const isLevel = LEVELS.has(wanted);
  const log = pino(
    {
      level: isLevel ? wanted : DEFAULT_LEVEL,
      base: { service, pid: process.pid },
      timestamp: timestampFragment,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (error: unknown) => toLoggedError(error) },
      redact: { paths: secretPaths(), censor: '[redacted]' },
      mixin: surroundings,
      mixinMergeStrategy: (fields: object, around: object) =>
        around === NOTHING ? fields : { ...around, ...fields },
    },
    new BoundedOutput(destination),
  );
  if (!isLevel) {
    log.warn(`LOG_LEVEL is none of ${[...LEVELS].join(', ')}; ${DEFAULT_LEVEL} is used`);
  }
  return log;
}

/**
 * What every line says about when it was written: during which request, in which trace. Lines of deliveries and requests,
 * which are nearly all, say it themselves.
 */
function surroundings(fields: object): object {
  const request = 'req' in fields ? undefined : currentRequest();
  const trace = 'trace_id' in fields ? undefined : traceFields();
  return request || trace ? { ...request, ...trace } : NOTHING;
}

/** One for the process: each would listen for its exit. */
let standardOutput: BatchedOutput | undefined;

function createDestination(env: LogEnvironment): DestinationStream {
  const wantsPretty = env.LOG_PRETTY !== undefined && !['', '0', 'false'].includes(env.LOG_PRETTY);
  if (wantsPretty && process.stdout.isTTY) {
    return new PrettyStream(process.stdout);
  }
  // With 0 instead of 1, flush() would return before a write in progress has ended, and an exit could lose it.
  standardOutput ??= new BatchedOutput(pino.destination({ dest: 1, sync: false, minLength: 1 }));
  return standardOutput;
}

function secretPaths(): string[] {
  return ['req.headers', 'res.headers', 'headers'].flatMap((parent) =>
    SECRETS.map((name) => (name.startsWith('[') ? `${parent}${name}` : `${parent}.${name}`)),
  );
}
