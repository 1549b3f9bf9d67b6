import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { credentialOptions, natsCredentials, natsEnvironment } from '@slipstream/jetstream';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimFreePorts, type ClaimedPort } from '../../tools/process/free-ports.ts';
import { guard } from '../../tools/process/guard.ts';
import { startNatsServer } from '../../tools/servers/nats.ts';
import type { RunningServer } from '../../tools/servers/running-server.ts';
import { StackSecurity } from '../../tools/stack/stack-security.ts';
import { natsStoreDir, stackPaths } from '../../tools/stack/units.ts';

/** Connects in a role, with what the environment of its process would say. */
export async function connectWith(
  servers: string | string[],
  environment: Readonly<Record<string, string>>,
): Promise<NatsConnection> {
  const read = natsEnvironment.parse(environment);
  return connect({
    servers,
    timeout: 20_000,
    inboxPrefix: read.NATS_INBOX_PREFIX ?? '_INBOX',
    ...credentialOptions(natsCredentials(read)),
  });
}

/** One server with the production configuration but for the cluster, everything on it that services bind to. */
export class SecureServer {
  private readonly open: NatsConnection[] = [];

  private constructor(
    private readonly directory: string,
    private readonly security: StackSecurity,
    private readonly server: RunningServer,
    private readonly ports: readonly ClaimedPort[],
  ) {}

  static async start(): Promise<SecureServer> {
    const binary = process.env.NATS_SERVER_BIN;
    if (!binary) throw new Error('NATS_SERVER_BIN is not set; run the tests through "npm test"');
    const directory = mkdtempSync(join(tmpdir(), 'slipstream-secure-'));
    guard.removeAtExit(directory);
    const paths = stackPaths(directory);
    const security = await StackSecurity.prepare(paths);
    const ports = await claimFreePorts(1);
    const server = await startNatsServer({
      binary,
      port: ports[0]?.port ?? 0,
      storeDir: natsStoreDir(paths),
      logFile: join(directory, 'nats.log'),
      include: security.serverConfig,
    });
    await security.provision(server.url);
    return new SecureServer(directory, security, server, ports);
  }

  async connectAs(role: string): Promise<NatsConnection> {
    const nc = await connectWith(this.server.url, this.security.credentialsOf(role));
    this.open.push(nc);
    return nc;
  }

  async stop(): Promise<void> {
    await Promise.all(this.open.map((nc) => nc.close()));
    await this.server.stop();
    for (const port of this.ports) port.release();
    await rm(this.directory, { recursive: true, force: true });
    guard.keep(this.directory);
  }
}

/** A client in a role: what it does, and what the server says to it. */
export class Actor {
  private readonly refused: { operation: string; subject: string }[] = [];

  constructor(readonly nc: NatsConnection) {
    void this.collect();
  }

  /** True when the server refuses to take a message on the subject for want of permission. */
  async mayPublish(subject: string, body = ''): Promise<boolean> {
    this.nc.publish(subject, body);
    return !(await this.isRefused('publish', subject));
  }

  async maySubscribe(subject: string): Promise<boolean> {
    const subscription = this.nc.subscribe(subject, { callback: () => undefined });
    const refused = await this.isRefused('subscription', subject);
    subscription.unsubscribe();
    return !refused;
  }

  get js() {
    return jetstream(this.nc);
  }

  manager(): Promise<JetStreamManager> {
    return jetstreamManager(this.nc, { checkAPI: false });
  }

  /** The server tells of a violation before it answers the ping of a flush. */
  private async isRefused(operation: string, subject: string): Promise<boolean> {
    await this.nc.flush();
    await new Promise((resolve) => setImmediate(resolve));
    return this.refused.some(
      (violation) => violation.operation === operation && violation.subject === subject,
    );
  }

  private async collect(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type !== 'error') continue;
      const { operation, subject } = status.error as Error & { operation?: string; subject?: string };
      if (operation && subject) this.refused.push({ operation, subject });
    }
  }
}
