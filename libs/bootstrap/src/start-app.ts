import { Logger, type DynamicModule, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { describeError, describeListenError } from './describe-error.js';
import { configureHttp, createHttpAdapter } from './http-app.js';
import { serveApiDocument, type ApiDescription } from './openapi.js';
import { ProcessLogger } from './process-logger.js';
import { Shutdown } from './shutdown.js';

export interface StartAppOptions {
  /** Name of the app, as in `payment-service`. */
  readonly name: string;
  /** Root module; it must import `ObservabilityModule`. */
  readonly module: Type<unknown> | DynamicModule;
  /** TCP port of the HTTP server; 0 takes a free one. */
  readonly port: number;
  /** Address to listen on. @default the variable HOST, else 127.0.0.1; containers set HOST=0.0.0.0 */
  readonly host?: string;
  /** Serves OpenAPI at /docs when given. */
  readonly describe?: ApiDescription;
  /** Attaches message transports, after the app is created and before it is initialised. */
  readonly connect?: (app: NestFastifyApplication) => void | Promise<void>;
  /** Longest drain after SIGTERM or SIGINT, in milliseconds; then the process exits with 1. @default 30_000 */
  readonly drainTimeoutMs?: number;
}

/** An address only this machine reaches: an app started by hand on a laptop is not open to its network. */
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_DRAIN_TIMEOUT_MS = 30_000;
const FATAL_DRAIN_TIMEOUT_MS = 10_000;

/**
 * Starts an app and keeps the process under control until it ends: SIGTERM or SIGINT drain it (exit code 0), an
 * error nobody caught is logged and drains it (exit code 1). A start that fails prints one line to standard error
 * (the log has the whole error) and exits with code 1.
 *
 * Order: module graph, HTTP behaviour, `connect`, init hooks, message transports, HTTP server.
 */
export async function startApp(options: StartAppOptions): Promise<void> {
  const processLogger = new ProcessLogger();
  const logger = new Logger(options.name);
  const shutdown = new Shutdown(process, {
    drainTimeoutMs: options.drainTimeoutMs ?? DEFAULT_DRAIN_TIMEOUT_MS,
    fatalDrainTimeoutMs: FATAL_DRAIN_TIMEOUT_MS,
    log: {
      log: (message) => logger.log(message),
      fatal: (error) => logger.fatal(error),
      flush: () => processLogger.flush(),
    },
  });
  shutdown.install();
  try {
    const app = await createApp(options, processLogger);
    const starting = run(app, options, logger);
    shutdown.attach(app, starting);
    await starting;
  } catch (error) {
    if (!shutdown.isStopping()) {
      await failStart(options.name, error, processLogger);
    }
  }
}

async function createApp(
  options: StartAppOptions,
  processLogger: ProcessLogger,
): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(options.module, createHttpAdapter(), {
    logger: processLogger,
    // Nest would abort the process before the failure is printed.
    abortOnError: false,
  });
  if (!processLogger.isConnected()) {
    throw new Error(
      'The root module does not import the logger: add ObservabilityModule.forRoot({ service }).',
    );
  }
  configureHttp(app);
  if (options.describe !== undefined) {
    serveApiDocument(app, options.describe);
  }
  return app;
}

async function run(app: NestFastifyApplication, options: StartAppOptions, logger: Logger): Promise<void> {
  await options.connect?.(app);
  await app.init();
  await app.startAllMicroservices();
  const host = options.host ?? (process.env['HOST'] || DEFAULT_HOST);
  try {
    await app.listen(options.port, host);
  } catch (error) {
    throw new Error(describeListenError(error, host, options.port), { cause: error });
  }
  logger.log(`Listening on ${await app.getUrl()}`);
}

async function failStart(name: string, error: unknown, processLogger: ProcessLogger): Promise<never> {
  process.stderr.write(`${name} could not start: ${describeError(error)}\n`);
  if (processLogger.isConnected()) {
    Logger.fatal(error);
  } else if (error instanceof Error && /^(debug|trace)$/.test(process.env['LOG_LEVEL'] ?? '')) {
    process.stderr.write(`${error.stack}\n`);
  }
  await processLogger.flush();
  process.exit(1);
}
