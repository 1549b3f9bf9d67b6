import { jetstreamManager, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import { JetStreamConnection, JetStreamPublisher } from '@slipstream/jetstream';
import {
  Outbox,
  outboxMigrations,
  OutboxRelay,
  type OutboxMessage,
  type OutboxPublisher,
  type OutboxRelayOptions,
} from '@slipstream/outbox';
import { createTestDatabase, natsUrl, uniqueName } from '@slipstream/testing';
import { connect, createServer, type Socket } from 'node:net';
import { DataSource } from 'typeorm';

/** An outbox in a database of its own, and a connection to a broker beside it. */
export class OutboxScene {
  readonly outbox = new Outbox();
  private readonly relays: OutboxRelay[] = [];

  private constructor(
    readonly dataSource: DataSource,
    readonly publisher: JetStreamPublisher,
    readonly manager: JetStreamManager,
    /** Unique for the scene; subjects and stream names begin with it. */
    readonly root: string,
    private readonly ends: (() => Promise<unknown>)[],
  ) {}

  static async open(servers = natsUrl()): Promise<OutboxScene> {
    const database = await createTestDatabase();
    const dataSource = await openDataSource(database.url);
    const connection = await JetStreamConnection.open({ servers, reconnectTimeWait: 50 }, 1);
    const publisher = new JetStreamPublisher(connection, {
      settled: () => undefined,
      published: () => undefined,
    });
    return new OutboxScene(
      dataSource,
      publisher,
      await jetstreamManager(connection.nc, { checkAPI: false }),
      uniqueName('o'),
      [() => connection.onApplicationShutdown(), () => dataSource.destroy(), () => database.drop()],
    );
  }

  /** Holds `<root>.>` unless told otherwise. */
  async addStream(config: Partial<StreamConfig> = {}): Promise<string> {
    const name = config.name ?? this.root.toUpperCase();
    await this.manager.streams.add({ name, subjects: [`${this.root}.>`], ...config });
    return name;
  }

  message(messageId: string, fields: Partial<OutboxMessage> = {}): OutboxMessage {
    return {
      messageId,
      aggregateId: messageId,
      subject: `${this.root}.events`,
      headers: { 'ce-id': messageId },
      data: Buffer.from(messageId),
      ...fields,
    };
  }

  /** Appends in one transaction. */
  append(...messages: readonly (OutboxMessage | string)[]): Promise<void> {
    return this.dataSource.transaction((tx) =>
      this.outbox.append(
        tx,
        messages.map((message) => (typeof message === 'string' ? this.message(message) : message)),
      ),
    );
  }

  /** Appends as a transaction did that began at that time. */
  async appendAt(createdAt: Date, ...messageIds: readonly string[]): Promise<void> {
    await this.dataSource.query(
      `WITH appended AS (
         INSERT INTO outbox (aggregate_id, message_id, subject, headers, data, created_at)
         SELECT id, id, $2, '{}', 'x', $3 FROM unnest($1::text[]) AS id
         RETURNING id, created_at, aggregate_id, octet_length(data) AS bytes)
       INSERT INTO outbox_pending (id, created_at, aggregate_id, bytes) SELECT * FROM appended`,
      [messageIds, `${this.root}.events`, createdAt],
    );
  }

  relay(options: OutboxRelayOptions & { publisher?: OutboxPublisher } = {}): OutboxRelay {
    return new OutboxRelay(this.dataSource, options.publisher ?? this.publisher, options);
  }

  /** A relay that runs until the scene is closed. */
  startRelay(options: OutboxRelayOptions & { publisher?: OutboxPublisher } = {}): OutboxRelay {
    const relay = this.relay(options);
    relay.onApplicationBootstrap();
    this.relays.push(relay);
    return relay;
  }

  /** Message ids of a stream in the order of their sequences. */
  async stored(stream = this.root.toUpperCase()): Promise<string[]> {
    const { state } = await this.manager.streams.info(stream);
    const ids: string[] = [];
    if (state.messages === 0) return ids;
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await this.manager.streams.getMessage(stream, { seq });
      if (message) ids.push(message.header.get('Nats-Msg-Id'));
    }
    return ids;
  }

  async pending(): Promise<number> {
    const [{ count }] = await this.dataSource.query('SELECT count(*)::int AS count FROM outbox_pending');
    return count;
  }

  async close(): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay.beforeApplicationShutdown()));
    for (const end of this.ends) await end();
  }
}

export function openDataSource(url: string): Promise<DataSource> {
  return new DataSource({
    type: 'postgres',
    url,
    parseInt8: true,
    migrations: [...outboxMigrations],
    migrationsRun: true,
    // Connections are ended on purpose.
    poolErrorHandler: () => undefined,
  }).initialize();
}

/** A way to the broker that can be blocked. */
export class Road {
  private readonly sockets = new Set<Socket>();
  private isBlocked = false;

  private constructor(
    readonly url: string,
    private readonly stopListening: () => void,
  ) {}

  static async to(target: string): Promise<Road> {
    const { hostname, port } = new URL(target);
    const listener: { road?: Road } = {};
    const server = createServer((socket) => listener.road?.carry(socket, hostname, Number(port)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address() as { port: number };
    const road = new Road(`nats://127.0.0.1:${address.port}`, () => server.close());
    listener.road = road;
    return road;
  }

  block(): void {
    this.isBlocked = true;
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.block();
    this.stopListening();
  }

  open(): void {
    this.isBlocked = false;
  }

  private carry(socket: Socket, host: string, port: number): void {
    if (this.isBlocked) {
      socket.destroy();
      return;
    }
    const onward = connect(port, host);
    for (const end of [socket, onward]) {
      this.sockets.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        socket.destroy();
        onward.destroy();
        this.sockets.delete(end);
      });
    }
    socket.pipe(onward).pipe(socket);
  }
}
