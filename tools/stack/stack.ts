import { join } from 'node:path';
import { limitLogSize } from '../process/log-file.ts';
import { APPS, type AppSpec, serviceUrlVariables, type StackPorts } from './apps.ts';
import type { StackEvent, StackStep } from './events.ts';
import { StackSecurity } from './stack-security.ts';
import { Supervised } from './supervised.ts';
import { appUnit, logFileOf, natsUnit, postgresUnit, type StackPaths, stackPaths } from './units.ts';

export interface StackOptions {
  /** Data, logs and pid records; kept when the stack stops. */
  readonly dataDir: string;
  /** A port for each app and for `nats`, `nats-monitor` and `postgres`. */
  readonly ports: StackPorts;
  /** The nats-server to run, with TLS, keys and permissions if it is to be secure, or the URL of one that runs already. */
  readonly nats: { readonly binary: string; readonly secure?: boolean } | { readonly url: string };
  /** A PostgreSQL that runs already instead of one of its own. */
  readonly databaseUrl?: string;
  readonly redisUrl?: string;
  /** Orders per second from the producer. @default 1 */
  readonly rate?: number;
  /** @default all apps */
  readonly apps?: readonly AppSpec[];
  /** For all apps; over the environment of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** For one app, by its name; over `env`. */
  readonly appEnv?: Readonly<Record<string, NodeJS.ProcessEnv>>;
  /** Whether processes that die are started again. @default true */
  readonly restart?: boolean;
  /** Milliseconds before a restart, by the number of failures in a row. @default 250, doubling up to 5 s */
  readonly restartDelayMs?: (failures: number) => number;
  /** False gives up safety against a crash of the machine, for data nobody will miss. @default true */
  readonly durable?: boolean;
  /** @default 120_000 */
  readonly readyTimeoutMs?: number;
  /** Gives up starting; everything started so far is stopped. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: StackEvent) => void;
  /** Wraps each step of the start, to tell about it. */
  readonly step?: StackStep;
}

/** A running stack. Processes go by their app's name, `nats` and `postgres`. */
export interface Stack {
  readonly urls: Readonly<Record<string, string>>;
  readonly natsUrl: string;
  readonly databaseUrl: string;
  /** Variables with which a client has a role on a secure NATS; none on one that asks nobody. */
  credentialsOf(role: string): Readonly<Record<string, string>>;
  pid(name: string): number | undefined;
  /** Sends a signal; one that ends the process is waited for. Then it is restarted, as after any death. */
  kill(name: string, signal?: NodeJS.Signals): Promise<void>;
  /** Resolves when the process answers again: at once if it does. */
  ready(name: string): Promise<void>;
  /** Stops the process and keeps it stopped, until `resume`. */
  halt(name: string): Promise<void>;
  /** Starts a halted process again and waits until it answers. */
  resume(name: string): Promise<void>;
  /** Apps drain, the producer first; then the servers stop. Safe to call again. */
  stop(): Promise<void>;
  /** Kills everything at once. */
  killNow(): void;
}

const HOST = '127.0.0.1';
const LOG_BYTES = 50_000_000;
const LOG_CHECK_MS = 30_000;
const TRACING = [
  'OTEL_SDK_DISABLED',
  'OTEL_TRACES_EXPORTER',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
];
const quietStep: StackStep = (_title, work) => work();

export async function startStack(options: StackOptions): Promise<Stack> {
  const stack = new SupervisedStack(options);
  const stop = () => void stack.stop();
  options.signal?.addEventListener('abort', stop);
  try {
    options.signal?.throwIfAborted();
    await stack.start();
    options.signal?.throwIfAborted();
    return stack;
  } catch (error) {
    await stack.stop();
    throw options.signal?.aborted ? options.signal.reason : error;
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}

class SupervisedStack implements Stack {
  readonly #options: StackOptions;
  readonly #paths: StackPaths;
  readonly #supervised = new Map<string, Supervised>();
  readonly #logCheck: NodeJS.Timeout;
  #security: StackSecurity | undefined;
  #stopping: Promise<void> | undefined;
  natsUrl = '';
  databaseUrl = '';

  constructor(options: StackOptions) {
    this.#options = options;
    this.#paths = stackPaths(options.dataDir);
    this.#logCheck = setInterval(() => this.#limitLogs(), LOG_CHECK_MS).unref();
  }

  get urls(): Record<string, string> {
    return Object.fromEntries(this.#apps.map(({ name }) => [name, `http://${HOST}:${this.#port(name)}`]));
  }

  async start(): Promise<void> {
    const step = this.#options.step ?? quietStep;
    this.natsUrl = await this.#startNats(step);
    this.databaseUrl = await this.#startPostgres(step);
    const env = this.#appEnvironment();
    const stages = [...new Set(this.#apps.map(({ startStage }) => startStage))].toSorted((a, b) => a - b);
    await step('start the apps', async () => {
      for (const stage of stages) {
        const apps = this.#apps.filter(({ startStage }) => startStage === stage);
        await Promise.all(apps.map((app) => this.#startApp(app, env)));
      }
    });
  }

  credentialsOf(role: string): Readonly<Record<string, string>> {
    return this.#security?.credentialsOf(role) ?? {};
  }

  pid(name: string): number | undefined {
    return this.#find(name).pid;
  }

  kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.#find(name).kill(signal);
  }

  ready(name: string): Promise<void> {
    return this.#find(name).ready();
  }

  halt(name: string): Promise<void> {
    return this.#find(name).halt();
  }

  resume(name: string): Promise<void> {
    this.#find(name).resume();
    return this.ready(name);
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stopInStages());
  }

  killNow(): void {
    for (const supervised of this.#supervised.values()) supervised.killNow();
  }

  async #startNats(step: StackStep): Promise<string> {
    const { nats } = this.#options;
    if ('url' in nats) return nats.url;
    const { binary, secure = false } = nats;
    const [port, monitorPort] = [this.#port('nats'), this.#options.ports['nats-monitor']];
    if (secure) {
      this.#security = await step('make certificates and keys', () => StackSecurity.prepare(this.#paths));
    }
    const unit = natsUnit(this.#paths, { binary, port, monitorPort, include: this.#security?.serverConfig });
    await step(
      'start NATS',
      () => this.#supervise(unit),
      () => `port ${port}`,
    );
    const url = `nats://${HOST}:${port}`;
    const security = this.#security;
    if (security) await step('create streams and consumers', () => security.provision(url));
    return url;
  }

  async #startPostgres(step: StackStep): Promise<string> {
    const { databaseUrl, durable = true } = this.#options;
    if (databaseUrl) return databaseUrl;
    const port = this.#port('postgres');
    const { unit, url } = postgresUnit(this.#paths, { port, durable });
    await step(
      'start PostgreSQL',
      () => this.#supervise(unit),
      () => `port ${port}`,
    );
    return url();
  }

  #startApp(app: AppSpec, env: NodeJS.ProcessEnv): Promise<void> {
    const own = {
      ...env,
      ...this.#security?.environmentOf(app.name),
      ...(app.name === 'console' ? consoleEnvironment(env) : {}),
      ...this.#options.appEnv?.[app.name],
    };
    return this.#supervise(appUnit(this.#paths, app, { port: this.#port(app.name), env: own }));
  }

  async #supervise(unit: ConstructorParameters<typeof Supervised>[0]): Promise<void> {
    const {
      restart = true,
      restartDelayMs,
      onEvent = () => undefined,
      readyTimeoutMs = 120_000,
    } = this.#options;
    // A stop that was asked for meanwhile does not know of this process.
    if (this.#stopping) throw new Error('the stack is being stopped');
    const supervised = new Supervised(unit, { restart, delayMs: restartDelayMs, onEvent });
    this.#supervised.set(unit.name, supervised);
    await supervised.start(readyTimeoutMs);
  }

  #appEnvironment(): NodeJS.ProcessEnv {
    const { rate = 1, redisUrl, env } = this.#options;
    const { urls } = this;
    return {
      NODE_ENV: 'production',
      LOG_LEVEL: 'info',
      // Ids in logs and headers; spans only for somebody who says where they go.
      ...(isTraced(process.env) || isTraced(env) ? {} : { OTEL_TRACES_EXPORTER: 'none' }),
      ...process.env,
      NATS_URL: this.natsUrl,
      DATABASE_URL: this.databaseUrl,
      ...(redisUrl && { REDIS_URL: redisUrl }),
      NATS_MONITOR_URL: this.#monitorUrl,
      ...serviceUrlVariables(urls),
      PAYMENT_GATEWAY_URL: urls['payment-gateway'],
      AUDIT_SIGNING_KEY_FILE: join(this.#options.dataDir, 'audit-service', 'signing-key.pem'),
      GATEWAY_DATA_FILE: join(this.#options.dataDir, 'payment-gateway', 'effects.ndjson'),
      ORDER_RATE: String(rate),
      ...env,
    };
  }

  /** That of a server of the user's own is where the user says. */
  get #monitorUrl(): string | undefined {
    const port = this.#options.ports['nats-monitor'];
    return 'url' in this.#options.nats ? process.env.NATS_MONITOR_URL : `http://${HOST}:${port}`;
  }

  async #stopInStages(): Promise<void> {
    clearInterval(this.#logCheck);
    const all = [...this.#supervised.values()];
    const stages = [...new Set(all.map(({ unit }) => unit.stopStage))].toSorted((a, b) => a - b);
    for (const stage of stages) {
      await Promise.all(
        all.filter(({ unit }) => unit.stopStage === stage).map((supervised) => supervised.halt()),
      );
    }
  }

  #limitLogs(): void {
    for (const name of this.#supervised.keys()) limitLogSize(logFileOf(this.#paths, name), LOG_BYTES);
  }

  get #apps(): readonly AppSpec[] {
    return this.#options.apps ?? APPS;
  }

  #port(name: string): number {
    const port = this.#options.ports[name];
    if (port === undefined) throw new Error(`no port is given for ${name}`);
    return port;
  }

  #find(name: string): Supervised {
    const found = this.#supervised.get(name);
    if (found) return found;
    throw new Error(`${name} is not part of this stack: ${[...this.#supervised.keys()].join(', ')}`);
  }
}

/** Whoever opens the apps to other machines (HOST) must not open the console without a token, which it would refuse. */
function consoleEnvironment({ CONSOLE_TOKEN, CONSOLE_TOKEN_FILE }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return CONSOLE_TOKEN || CONSOLE_TOKEN_FILE ? {} : { HOST };
}

function isTraced(env: NodeJS.ProcessEnv = {}): boolean {
  return TRACING.some((name) => env[name]);
}
