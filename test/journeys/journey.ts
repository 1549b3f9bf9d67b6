import { jetstream, jetstreamManager, type StoredMsg } from '@nats-io/jetstream';
import { connect, headers as createHeaders, type NatsConnection } from '@nats-io/transport-node';
import { credentialOptions, natsCredentials, natsEnvironment } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { chmodSync, mkdtempSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guard } from '../../tools/process/guard.ts';
import { removePostgresHome } from '../../tools/servers/postgres-home.ts';
import { APPS, SERVER_PORTS } from '../../tools/stack/apps.ts';
import type { StackEvent } from '../../tools/stack/events.ts';
import { chooseFreePorts } from '../../tools/stack/ports.ts';
import { startStack, type Stack, type StackOptions } from '../../tools/stack/stack.ts';
import { logFileOf, stackPaths } from '../../tools/stack/units.ts';

export interface Order {
  readonly orderId: string;
  readonly customerId: string;
  readonly status: 'pending' | 'confirmed' | 'cancelled';
  readonly totalMinor: number;
  readonly reason: string | null;
  readonly history: readonly { readonly event: string; readonly messageId: string }[];
}

export interface GatewayStats {
  readonly charges: number;
  readonly refunds: number;
  readonly distinctOrders: number;
  readonly duplicateCharges: number;
  readonly amountMinor: number;
}

export interface DeadLetter {
  readonly body: string;
  readonly header: (name: string) => string;
  /** Names of all its headers. */
  readonly names: readonly string[];
}

/** Connects in a role, where the stack asks who one is. */
export async function connectAs(
  stack: Pick<Stack, 'natsUrl' | 'credentialsOf'>,
  role: string,
): Promise<NatsConnection> {
  const environment = natsEnvironment.parse(stack.credentialsOf(role));
  return connect({
    servers: stack.natsUrl,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    ...credentialOptions(natsCredentials(environment)),
    ...(environment.NATS_INBOX_PREFIX ? { inboxPrefix: environment.NATS_INBOX_PREFIX } : {}),
  });
}

/** The whole system on free ports with data of its own, and what a user, an operator and a foreign publisher can do. */
export class Journey {
  readonly events: StackEvent[];
  readonly dataDir: string;
  private readonly nc: NatsConnection;

  private constructor(
    readonly stack: Stack,
    private readonly cleanUp: () => Promise<void>,
    parts: { events: StackEvent[]; nc: NatsConnection; dataDir: string },
  ) {
    this.events = parts.events;
    this.dataDir = parts.dataDir;
    this.nc = parts.nc;
  }

  static async start(
    appEnv: Record<string, NodeJS.ProcessEnv> = {},
    {
      secure = false,
      ...options
    }: Pick<StackOptions, 'restartDelayMs' | 'env'> & { readonly secure?: boolean } = {},
  ): Promise<Journey> {
    const binary = process.env.NATS_SERVER_BIN;
    if (!binary) throw new Error('NATS_SERVER_BIN is not set; run the tests through "npm test"');
    const dataDir = mkdtempSync(join(tmpdir(), 'slipstream-journey-'));
    // A killed test run must not leave its servers' data behind.
    guard.removeAtExit(dataDir);
    chmodSync(dataDir, 0o755);
    const chosen = await chooseFreePorts([...APPS.map(({ name }) => name), ...Object.keys(SERVER_PORTS)]);
    const events: StackEvent[] = [];
    const stack = await startStack({
      dataDir,
      ports: chosen.ports,
      nats: { binary, secure },
      rate: 0,
      appEnv,
      ...options,
      onEvent: (event) => events.push(event),
    });
    const nc = await connectAs(stack, 'operator');
    const cleanUp = async () => {
      await nc.close();
      await stack.stop();
      chosen.release();
      removePostgresHome(join(dataDir, 'postgres'));
      await rm(dataDir, { recursive: true, force: true });
      guard.keep(dataDir);
    };
    return new Journey(stack, cleanUp, { events, nc, dataDir });
  }

  async end(): Promise<void> {
    await this.cleanUp();
  }

  async request(app: string, method: string, path: string, body?: unknown, headers = {}): Promise<Response> {
    const init = {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return fetch(`${this.stack.urls[app]}${path}`, body === undefined ? init : { ...init, body: text });
  }

  async read<T>(app: string, path: string): Promise<T> {
    const response = await this.request(app, 'GET', path);
    if (!response.ok) throw new Error(`GET ${path} of ${app} answered ${response.status}`);
    return (await response.json()) as T;
  }

  /** Posts an order, again and again with the same key while the service is away, and returns its id. */
  async placeOrder(order: object, key: string): Promise<string> {
    return waitFor(
      `order ${key} to be accepted`,
      async () => {
        const response = await this.request('order-service', 'POST', '/orders', order, {
          'idempotency-key': key,
        });
        if (response.status !== 202) throw new Error(`answered ${response.status}`);
        return ((await response.json()) as Order).orderId;
      },
      60_000,
    );
  }

  /**
   * Posts an order without a key, once.
   * @throws when it is not answered with its id; it may be accepted nevertheless
   */
  async placeOnce(order: object): Promise<string> {
    const response = await this.request('order-service', 'POST', '/orders', order);
    if (response.status !== 202) throw new Error(`answered ${response.status}`);
    return ((await response.json()) as Order).orderId;
  }

  async *allOrders(): AsyncGenerator<Pick<Order, 'orderId' | 'customerId'>> {
    for (let path = '/orders?limit=200'; ;) {
      const page = await this.read<{ orders: Order[]; next: string | null }>('order-service', path);
      yield* page.orders;
      if (page.next === null) return;
      path = `/orders?limit=200&after=${page.next}`;
    }
  }

  order(orderId: string): Promise<Order> {
    return this.read('order-service', `/orders/${orderId}`);
  }

  async settled(orderId: string, timeoutMs = 60_000): Promise<Order> {
    return waitFor(
      `order ${orderId} to settle`,
      async () => {
        const order = await this.order(orderId);
        return order.status !== 'pending' && order;
      },
      timeoutMs,
    );
  }

  /** What an app has written so far. */
  log(app: string): Promise<string> {
    return readFile(logFileOf(stackPaths(this.dataDir), app), 'utf8');
  }

  gateway(): Promise<GatewayStats> {
    return this.read('payment-gateway', '/stats');
  }

  async setFaults(faults: object): Promise<void> {
    const response = await this.request('payment-gateway', 'PUT', '/faults', faults);
    if (!response.ok) throw new Error(`the gateway refused the faults: ${await response.text()}`);
  }

  /** Publishes as any NATS client does: core NATS, no headers unless given, no answer. */
  async publishBare(subject: string, body: string, headers: Record<string, string> = {}): Promise<void> {
    const own = createHeaders();
    for (const [name, value] of Object.entries(headers)) own.set(name, value);
    this.nc.publish(subject, body, own.keys().length > 0 ? { headers: own } : {});
    await this.nc.flush();
  }

  async publishDurably(
    subject: string,
    body: string | Uint8Array,
    fields: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const headers = createHeaders();
    for (const [name, value] of Object.entries(fields)) headers.set(name, value);
    await jetstream(this.nc).publish(subject, body, { retries: 20, headers });
  }

  async deadLetters(stream: string): Promise<DeadLetter[]> {
    return (await this.messages(stream)).map((message) => ({
      body: message.string(),
      header: (name) => message.header.get(name),
      names: message.header.keys(),
    }));
  }

  /** What a stream holds, of one subject when it is given. */
  async messages(stream: string, subject?: string): Promise<StoredMsg[]> {
    const manager = await jetstreamManager(this.nc, { checkAPI: false });
    const { state } = await manager.streams.info(stream);
    const messages: StoredMsg[] = [];
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
      const message = await manager.streams.getMessage(stream, { seq });
      if (message && (subject === undefined || message.subject === subject)) messages.push(message);
    }
    return messages;
  }

  /** How often the server had to deliver again, over all durables of the stream, since they were created. */
  async redeliveries(stream: string): Promise<number> {
    const manager = await jetstreamManager(this.nc, { checkAPI: false });
    const { state } = await manager.streams.info(stream, { subjects_filter: '>' });
    const counts = Object.entries(state.subjects ?? {});
    let redelivered = 0;
    for await (const { config, delivered } of manager.consumers.list(stream)) {
      const filters = config.filter_subjects ?? [config.filter_subject ?? '>'];
      const own = counts.filter(([subject]) => filters.some((filter) => isMatch(filter, subject)));
      redelivered += delivered.consumer_seq - own.reduce((sum, [, count]) => sum + count, 0);
    }
    return redelivered;
  }

  /** True when every durable of the stream has nothing left to do. */
  async isQuiet(stream: string): Promise<boolean> {
    const manager = await jetstreamManager(this.nc, { checkAPI: false });
    for await (const { num_pending, num_ack_pending } of manager.consumers.list(stream)) {
      if (num_pending > 0 || num_ack_pending > 0) return false;
    }
    return true;
  }
}

function isMatch(filter: string, subject: string): boolean {
  const pattern = filter.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace(/>$/, '.+');
  return new RegExp(`^${pattern}$`).test(subject);
}
