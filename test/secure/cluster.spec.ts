import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { waitFor } from '@slipstream/testing';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { credentialEnvironment, ensureCredentials } from '../../tools/nats-security/credentials.ts';
import { readRoles, runCli } from '../../tools/nats-security/roles.ts';
import { claimFreePorts, type ClaimedPort } from '../../tools/process/free-ports.ts';
import { guard } from '../../tools/process/guard.ts';
import { startProcess, type ManagedProcess } from '../../tools/process/managed-process.ts';
import { Actor, connectWith } from './secure-server.ts';

const NODES = [0, 1, 2] as const;

/** Three servers with the configuration of docker/nats, on this machine's ports instead of addresses of their own. */
class Cluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'slipstream-cluster-'));
  private readonly credentials = join(this.directory, 'credentials');
  private readonly nodes: ManagedProcess[] = [];
  private ports: ClaimedPort[] = [];

  get urls(): string[] {
    return NODES.map((node) => `nats://localhost:${this.port(node, 0)}`);
  }

  environmentOf(role: string): Record<string, string> {
    return credentialEnvironment(this.credentials, role);
  }

  async start(): Promise<void> {
    guard.removeAtExit(this.directory);
    this.ports = await claimFreePorts(NODES.length * 3);
    const { names: roles } = await readRoles();
    await ensureCredentials({ directory: this.credentials, roles, hosts: ['localhost', '127.0.0.1'] });
    await Promise.all(NODES.map((node) => this.startNode(node)));
  }

  async stopNode(node: number): Promise<void> {
    await this.nodes[node]?.stop();
  }

  /** The protocol that a client gets to speak, with the certificate of a role or without one. */
  async handshake(node: number, role?: string, maxVersion?: 'TLSv1.2'): Promise<string> {
    const plain = connectPlain(this.port(node, 0), 'localhost');
    // A server says first that it wants TLS.
    await once(plain, 'data');
    const to = { socket: plain, ...(maxVersion ? { maxVersion } : {}) };
    return this.secure(to, role).finally(() => plain.destroy());
  }

  /** The same on the port where servers meet. */
  async routeHandshake(node: number, role?: string): Promise<string> {
    return this.secure({ port: this.port(node, 1), host: 'localhost' }, role);
  }

  private async secure(to: ConnectionOptions, role: string | undefined): Promise<string> {
    const env = this.environmentOf(role ?? 'operator');
    const read = (name: string) => readFileSync(env[name] ?? '');
    const identity = role ? { cert: read('NATS_TLS_CERT'), key: read('NATS_TLS_KEY') } : {};
    const socket = connectTls({ ...to, ...identity, servername: 'localhost', ca: read('NATS_TLS_CA') });
    const ended = new Promise<string>((resolve) => {
      for (const event of ['error', 'end', 'close']) socket.once(event, () => resolve('refused'));
    });
    const spoken = new Promise<string>((resolve) => {
      // In TLS 1.3 a client learns only afterwards that its certificate was missed.
      socket.once('data', () => resolve(socket.getProtocol() ?? 'none'));
      socket.once('secureConnect', () => socket.write('PING\r\n'));
    });
    return Promise.race([spoken, ended]).finally(() => socket.destroy());
  }

  port(node: number, kind: number): number {
    return this.ports[node * 3 + kind]?.port ?? 0;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    for (const port of this.ports) port.release();
    rmSync(this.directory, { recursive: true, force: true });
    guard.keep(this.directory);
  }

  private async startNode(node: number): Promise<void> {
    const directory = join(this.directory, `nats-${node}`);
    const own = join(this.credentials, 'server');
    mkdirSync(directory);
    cpSync('docker/nats', directory, { recursive: true });
    cpSync(join(own, 'accounts.conf'), join(directory, 'accounts.conf'));
    this.movePorts(join(directory, 'nats-server.conf'), node);
    const routes = NODES.map((other) => `tls://localhost:${this.port(other, 1)}`).join(',');
    this.nodes[node] = await startProcess({
      name: `nats-${node}`,
      command: process.env.NATS_SERVER_BIN ?? 'nats-server',
      args: ['--config', join(directory, 'nats-server.conf')],
      cwd: directory,
      env: {
        ...process.env,
        NATS_SERVER_NAME: `nats-${node}`,
        NATS_CLUSTER_ROUTES: `[${routes}]`,
        NATS_SERVER_CA: join(own, 'ca.crt'),
        NATS_SERVER_CERT: join(own, 'tls.crt'),
        NATS_SERVER_KEY: join(own, 'tls.key'),
        NATS_STORE_DIR: join(directory, 'store'),
      },
      logFile: join(this.directory, `nats-${node}.log`),
      stopStage: 0,
    });
  }

  /** Three servers cannot share the ports that each has in a place of its own. */
  private movePorts(file: string, node: number): void {
    const usual = ['0.0.0.0:4222', '0.0.0.0:6222', '0.0.0.0:8222'];
    const moved = usual.reduce(
      (text, address, kind) => text.replace(address, `127.0.0.1:${this.port(node, kind)}`),
      readFileSync(file, 'utf8'),
    );
    for (const address of usual) if (moved.includes(address)) throw new Error(`${address} is still there`);
    writeFileSync(file, moved);
  }
}

describe('three servers with the configuration of docker/nats', () => {
  const cluster = new Cluster();
  const open: NatsConnection[] = [];

  async function connectAs(role: string): Promise<NatsConnection> {
    const nc = await connectWith(cluster.urls, cluster.environmentOf(role));
    open.push(nc);
    return nc;
  }

  beforeAll(async () => {
    await cluster.start();
    const provisioner = await waitFor('the servers', () => connectAs('provisioner'), 60_000);
    await waitFor('a leader', async () => Boolean(await jetstreamManager(provisioner)), 60_000);
    const environment = { NATS_URL: cluster.urls.join(','), STREAM_REPLICAS: '3' };
    await runCli(['streams', 'apply'], { ...cluster.environmentOf('provisioner'), ...environment });
  }, 240_000);

  afterAll(async () => {
    await Promise.all(open.map((nc) => nc.close()));
    await cluster.stop();
  }, 60_000);

  it('keep each stream and durable three times', async () => {
    const manager = await jetstreamManager(await connectAs('operator'), { checkAPI: false });
    const replicas: Record<string, number> = {};
    for await (const { config, cluster: group } of manager.streams.list()) {
      replicas[config.name] = 1 + (group?.replicas?.length ?? 0);
    }
    expect(Object.keys(replicas)).toEqual(
      expect.arrayContaining(['ORDERS', 'ORDERS_DLQ', 'OPERATIONS', 'AUDIT_HEADS', 'KV_slipstream_attempts']),
    );
    expect(new Set(Object.values(replicas))).toEqual(new Set([3]));
    const info = await manager.consumers.info('ORDERS', 'payment-orders');
    expect(info.cluster?.replicas).toHaveLength(2);
  });

  it('speak TLS 1.3 with those who show a certificate, on client and cluster ports', async () => {
    expect(await cluster.handshake(0, 'order-service')).toBe('TLSv1.3');
    expect(await cluster.handshake(0, 'order-service', 'TLSv1.2')).toBe('refused');
    expect(await cluster.handshake(0)).toBe('refused');
    expect(await cluster.routeHandshake(0)).toBe('refused');
  });

  it('let a service publish its events, and no other, and lose none with a server', async () => {
    const service = new Actor(await connectAs('order-service'));
    expect(await service.mayPublish('payments.completed.v1')).toBe(false);
    expect(await service.mayPublish('$JS.API.STREAM.PURGE.ORDERS')).toBe(false);
    await cluster.stopNode(2);
    await waitFor(
      'an acknowledgement',
      async () => {
        const { stream } = await jetstream(service.nc).publish('orders.created.v1', '{}', { timeout: 5_000 });
        return stream === 'ORDERS';
      },
      60_000,
    );
  }, 120_000);
});
