import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readDockerfile, readRecipe } from '../../tools/deploy/dockerfile.ts';
import { claimFreePorts, type ClaimedPort } from '../../tools/process/free-ports.ts';
import { guard } from '../../tools/process/guard.ts';
import { startProcess, type ExitStatus, type ManagedProcess } from '../../tools/process/managed-process.ts';
import { removePostgresHome } from '../../tools/servers/postgres-home.ts';
import { startPostgres } from '../../tools/servers/postgres.ts';
import { startFailure, waitForAnswer } from '../../tools/servers/running-server.ts';
import { entryFileOf } from '../../tools/stack/units.ts';
import type { Container, Listener, System } from './container.ts';
import { portsOf, programOf } from './programs.ts';
import { materialize, pathsOf, Substitution } from './substitution.ts';

/** Of each of our images; nothing here is to be reached from other machines. */
const IMAGE_ENVIRONMENT = { ...readRecipe(readDockerfile()).environment, HOST: '127.0.0.1' };
/** The one user that the helper for PostgreSQL knows. */
const DATABASE_USER = 'slipstream';
const MAX_ATTEMPTS = 10;
const RESTART_DELAY_MS = 2_000;
const START_TIMEOUT_MS = 120_000;

/**
 * Runs the containers of a system as processes of this machine, with their own commands, environment and files. Only
 * addresses, ports and the places of mounts are others; commands see nothing of the environment of the test.
 */
export class Machine {
  private readonly directory = mkdtempSync(join(tmpdir(), 'slipstream-machine-'));
  private readonly processes = new Map<string, ManagedProcess>();
  private readonly started = new Map<string, Promise<void>>();
  private readonly ended = new AbortController();
  private readonly ports = new Map<string, ClaimedPort>();
  private stopping: Promise<Record<string, ExitStatus>> | undefined;

  private constructor(private readonly system: System) {
    guard.removeAtExit(this.directory);
    // PostgreSQL may have to run as another user, who must be able to enter.
    chmodSync(this.directory, 0o755);
  }

  /** Resolves when every job is over and everything else is healthy. */
  static async run(system: System): Promise<Machine> {
    const machine = new Machine(system);
    try {
      await machine.claimPorts();
      await Promise.all(system.containers.map(({ name }) => machine.whenStarted(name)));
      return machine;
    } catch (error) {
      await machine.stop();
      throw error;
    }
  }

  /** Where this machine answers for `host:port`, as containers name it. */
  address(name: string): string {
    const listener = this.system.addresses[name];
    if (!listener) throw new Error(`nobody listens on ${name}`);
    return this.localAddress(listener);
  }

  /** Where a path of a container lies here. */
  path(container: string, path: string): string {
    return this.substitutionOf(this.find(container)).apply(path);
  }

  /** Asks each for a stop, apps before servers; says how each that was running ended. Safe to call again. */
  stop(): Promise<Record<string, ExitStatus>> {
    return (this.stopping ??= this.stopInOrder());
  }

  private async stopInOrder(): Promise<Record<string, ExitStatus>> {
    this.ended.abort(new Error('the machine is being stopped'));
    const isApp = (name: string) => programOf(this.find(name).image).kind === 'app';
    const names = [...this.processes.keys()];
    const exits = [
      ...(await this.stopAll(names.filter((name) => isApp(name)))),
      ...(await this.stopAll(names.filter((name) => !isApp(name)))),
    ];
    for (const port of this.ports.values()) port.release();
    for (const { name } of this.system.containers) removePostgresHome(join(this.directory, name, 'postgres'));
    await rm(this.directory, { recursive: true, force: true });
    guard.keep(this.directory);
    return Object.fromEntries(exits);
  }

  private stopAll(names: readonly string[]): Promise<[string, ExitStatus][]> {
    return Promise.all(
      names.map(async (name): Promise<[string, ExitStatus]> => [
        name,
        (await this.processes.get(name)?.stop()) ?? { code: null, signal: null },
      ]),
    );
  }

  private async claimPorts(): Promise<void> {
    for (const { name, image } of this.system.containers) {
      const ports = portsOf(image);
      const claimed = await claimFreePorts(ports.length);
      for (const [index, port] of claimed.entries()) this.ports.set(`${name}:${ports[index]}`, port);
    }
  }

  private whenStarted(name: string): Promise<void> {
    const known = this.started.get(name);
    if (known) return known;
    const starting = this.startWhenItMay(this.find(name));
    this.started.set(name, starting);
    return starting;
  }

  private async startWhenItMay(container: Container): Promise<void> {
    await Promise.all(container.after.map((other) => this.whenStarted(other)));
    this.prepare(container);
    for (let attempt = 1; ; attempt += 1) {
      this.ended.signal.throwIfAborted();
      const failure = await this.attempt(container).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) return;
      if (attempt === MAX_ATTEMPTS) throw failure;
      await delay(RESTART_DELAY_MS, undefined, { signal: this.ended.signal });
    }
  }

  /** Until a job is over or anything else healthy; rejects when it ended otherwise. */
  private async attempt(container: Container): Promise<void> {
    const running = await this.launch(container);
    if (container.isJob) {
      const { code, signal } = await running.exited;
      if (code !== 0) throw startFailure(running, `ended with ${code ?? signal}`);
      return;
    }
    this.processes.set(container.name, running);
    const patience = { intervalMs: 100, timeoutMs: START_TIMEOUT_MS, signal: this.ended.signal };
    await waitForAnswer(running, () => this.requireHealth(container), patience).catch((error: unknown) => {
      this.processes.delete(container.name);
      throw error;
    });
  }

  private async requireHealth({ name, health }: Container): Promise<void> {
    for (const { port, path } of health) {
      const answer = await fetch(`http://${this.localAddress({ container: name, port })}${path}`, {
        signal: AbortSignal.timeout(3_000),
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`${path} of ${name} answers ${answer.status}`);
    }
  }

  private prepare(container: Container): void {
    const substitution = this.substitutionOf(container);
    for (const mount of container.mounts) materialize(mount, substitution.apply(mount.path), substitution);
    mkdirSync(join(this.directory, container.name), { recursive: true });
  }

  private launch(container: Container): Promise<ManagedProcess> {
    const { name, image } = container;
    const program = programOf(image);
    const substitution = this.substitutionOf(container);
    const args = container.args.map((arg) => substitution.apply(arg));
    const env = Object.fromEntries(
      Object.entries(container.env).map(([variable, value]) => [variable, substitution.apply(value)]),
    );
    const place = { name, cwd: join(this.directory, name), logFile: join(this.directory, `${name}.log`) };
    switch (program.kind) {
      case 'nats':
        return startProcess({ ...place, command: process.env.NATS_SERVER_BIN ?? '', args, env });
      case 'postgres':
        return this.launchPostgres(container, args);
      case 'app':
        return startProcess({
          ...place,
          command: process.execPath,
          args: ['--enable-source-maps', entryFileOf(program.app), ...args],
          env: { ...IMAGE_ENVIRONMENT, ...this.portVariable(container), ...env },
          stopTimeoutMs: 45_000,
        });
    }
  }

  /** As the entrypoint of the image does: a cluster with this user, password and database, then the arguments. */
  private launchPostgres({ name, env }: Container, args: readonly string[]): Promise<ManagedProcess> {
    const {
      POSTGRES_USER,
      POSTGRES_PASSWORD,
      POSTGRES_PASSWORD_FILE: file,
      POSTGRES_DB: database = '',
    } = env;
    if (POSTGRES_USER !== DATABASE_USER) throw new Error(`${name} has the user ${POSTGRES_USER}`);
    const password = POSTGRES_PASSWORD ?? readFileSync(this.path(name, file ?? ''), 'utf8').trim();
    const dataDir = join(this.directory, name, 'postgres');
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(join(dataDir, 'password'), password);
    const logFile = join(this.directory, `${name}.log`);
    const port = this.portOf({ container: name, port: 5432 });
    return startPostgres({
      port,
      dataDir,
      database,
      logFile,
      args: args.filter((arg) => arg !== 'postgres'),
    });
  }

  private portVariable({ name, image }: Container): Record<string, string> {
    const [port] = portsOf(image);
    return port === undefined ? {} : { PORT: String(this.portOf({ container: name, port })) };
  }

  private substitutionOf(container: Container): Substitution {
    const { name, image } = container;
    const own = portsOf(image).flatMap((port): [string, string][] =>
      ['0.0.0.0', '127.0.0.1'].map((host) => [
        `${host}:${port}`,
        this.localAddress({ container: name, port }),
      ]),
    );
    const others = Object.entries(this.system.addresses).map(
      ([address, listener]) => [address, this.localAddress(listener)] as const,
    );
    return new Substitution(
      new Map([...own, ...others, ...pathsOf(container, join(this.directory, name, 'root'))]),
    );
  }

  private localAddress(listener: Listener): string {
    return `127.0.0.1:${this.portOf(listener)}`;
  }

  private portOf({ container, port }: Listener): number {
    const claimed = this.ports.get(`${container}:${port}`);
    if (!claimed) throw new Error(`${container} does not listen on ${port}`);
    return claimed.port;
  }

  private find(name: string): Container {
    const found = this.system.containers.find((container) => container.name === name);
    if (!found) throw new Error(`there is no container ${name}`);
    return found;
  }
}
