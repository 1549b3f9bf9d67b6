import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import {
  connect,
  PermissionViolationError,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { Logger, type OnApplicationShutdown } from '@nestjs/common';
import { redact } from '@slipstream/redaction';
import { credentialFiles, credentialOptions, type NatsCredentials } from './credentials.js';
import { CredentialWatch, fingerprintOf } from './credential-watch.js';
import { OwnMessages } from './publish/own-messages.js';

/** Counts started attempts of messages that were delivered more than once. */
export const ATTEMPT_BUCKET = 'slipstream_attempts';
/** Key in that bucket which a process asks about that only binds; nothing is stored under it. */
export const BIND_KEY = 'bind';
/** Longer than any retry cycle; an entry is renewed by every attempt. */
export const ATTEMPT_TTL_MS = 7 * 24 * 60 * 60 * 1_000;
const FIRST_CONNECT_RETRY_MS = 2_000;
const LONGEST_ADDRESSES = 500;

/** The client gives up after ten reconnects and notices a dead link after six minutes unless told otherwise. */
const RESILIENT: NodeConnectionOptions = {
  maxReconnectAttempts: -1,
  reconnectTimeWait: 500,
  reconnectJitter: 500,
  // A link that died without a word is given up at the third, well within half a minute.
  pingInterval: 6_000,
  maxPingOut: 2,
  ignoreAuthErrorAbort: true,
  // Two stack traces for each request cost more than the request.
  noAsyncTraces: true,
};

/** The one NATS connection of a process. Closed last, when handlers and publishers are done. */
export class JetStreamConnection implements OnApplicationShutdown {
  private readonly logger = new Logger(JetStreamConnection.name);
  private readonly reconnectListeners = new Set<() => void>();
  private readonly violationListeners = new Set<(error: PermissionViolationError) => void>();
  /** The client's own JetStream, for what this library has no words for. */
  readonly client: JetStreamClient;
  readonly own = new OwnMessages();
  private connected = true;
  private credentialWatch: CredentialWatch | undefined;

  private constructor(
    readonly nc: NatsConnection,
    private readonly replicas: number,
    /** First tokens of the subjects that answers are sent to; the client's own default when undefined. */
    readonly inboxPrefix: string | undefined,
  ) {
    this.client = jetstream(nc);
    void this.watchStatus();
  }

  /**
   * Connects, waiting for a server that is not up yet. Connects anew when files of the credentials were replaced.
   * @throws CredentialsError when one of them cannot be read or is no credential
   */
  static async open(
    options: NodeConnectionOptions,
    replicas: number,
    credentials: NatsCredentials = {},
  ): Promise<JetStreamConnection> {
    const logger = new Logger(JetStreamConnection.name);
    const all = { ...RESILIENT, ...options, ...credentialOptions(credentials) };
    const files = credentialFiles(credentials);
    for (;;) {
      const used = await fingerprintOf(files);
      try {
        const connection = new JetStreamConnection(await connect(all), replicas, options.inboxPrefix);
        connection.follow(files, used);
        return connection;
      } catch (error) {
        logger.warn({ err: error }, `NATS at ${told(options.servers)} is not reachable, trying again`);
        await new Promise((resolve) => setTimeout(resolve, FIRST_CONNECT_RETRY_MS));
      }
    }
  }

  /** Works with a connection that somebody else opened and will close. */
  static over(nc: NatsConnection & { readonly options?: NodeConnectionOptions }): JetStreamConnection {
    // Permissions may allow no other: without it no answer to a publish would come.
    return new JetStreamConnection(nc, 1, nc.options?.inboxPrefix);
  }

  /** The client's own management of streams and consumers. */
  manager(): Promise<JetStreamManager> {
    return jetstreamManager(this.nc, { checkAPI: false });
  }

  /** Calls the listener each time the connection is open again. There is no way to end that. */
  onReconnect(listener: () => void): void {
    this.reconnectListeners.add(listener);
  }

  /** Calls the listener when the server refuses something for want of permission; returns what ends that. */
  onViolation(listener: (error: PermissionViolationError) => void): () => void {
    this.violationListeners.add(listener);
    return () => void this.violationListeners.delete(listener);
  }

  /** Opens the bucket that counts started attempts without asking whether it is there. */
  bindAttempts(): Promise<KV> {
    return new Kvm(this.client).open(ATTEMPT_BUCKET, { allow_direct: true });
  }

  /** Opens the bucket that counts started attempts, creating it where it is missing. */
  openAttempts(): Promise<KV> {
    return new Kvm(this.client).create(ATTEMPT_BUCKET, {
      history: 1,
      ttl: ATTEMPT_TTL_MS,
      replicas: this.replicas,
    });
  }

  /** What is known without asking. */
  get isConnected(): boolean {
    return this.connected && !this.nc.isClosed();
  }

  /** @throws when the connection is closed or does not answer */
  async check(): Promise<void> {
    if (this.nc.isClosed()) throw new Error('the NATS connection is closed');
    await this.nc.rtt();
  }

  /** Sends what is still to be sent and closes the connection; Nest calls it after everything that uses it. */
  async onApplicationShutdown(): Promise<void> {
    this.credentialWatch?.stop();
    if (this.nc.isClosed()) return;
    await this.nc.drain().catch((error: unknown) => {
      this.logger.warn({ err: error }, 'NATS was away while the connection was drained');
    });
    // A drain that failed leaves the client looking for a server, which keeps the process from ending.
    await this.nc.close();
  }

  /** What was revoked on the server must no longer be in use, so a rotation does not wait for a connection to break. */
  private follow(files: readonly string[], used: string | undefined): void {
    if (files.length === 0) return;
    this.credentialWatch = new CredentialWatch(files, used, () => {
      this.logger.log('the NATS credentials were replaced, connecting anew');
      void this.reconnect();
    });
  }

  private async reconnect(): Promise<void> {
    // What was published and not sent yet would be lost with the socket.
    await this.nc.flush().catch(() => undefined);
    // A connection that is going away refuses it.
    if (!this.nc.isClosed() && !this.nc.isDraining()) await this.nc.reconnect();
  }

  private async watchStatus(): Promise<void> {
    for await (const status of this.nc.status()) {
      switch (status.type) {
        case 'disconnect':
          this.connected = false;
          this.logger.warn('disconnected from NATS');
          break;
        case 'reconnect':
          this.connected = true;
          this.own.forget();
          this.logger.log('reconnected to NATS');
          for (const listener of this.reconnectListeners) this.tell(listener);
          break;
        case 'error':
          this.logger.error({ err: status.error }, 'NATS reported an error');
          this.tellViolation(status.error);
          break;
        default:
      }
    }
    const reason = await this.nc.closed();
    if (reason) this.logger.error({ err: reason }, 'the NATS connection was closed for good');
  }

  /** What one listener throws must neither keep the others from hearing nor end this watch. */
  private tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.logger.error({ err: error }, 'a listener to reconnections failed');
    }
  }

  private tellViolation(error: Error): void {
    if (!(error instanceof PermissionViolationError)) return;
    for (const listener of this.violationListeners) listener(error);
  }
}

/** Addresses of servers for the log: they may hold a password. */
export function told(servers: NodeConnectionOptions['servers'] = 'nats://127.0.0.1:4222'): string {
  return redact([servers].flat().join(', '), LONGEST_ADDRESSES);
}
