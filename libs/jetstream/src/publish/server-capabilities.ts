import type { StreamConfig } from '@nats-io/jetstream';
import type { JetStreamConnection } from '../connection.js';
import { matches } from '../subject.js';

const STREAM_CACHE_MS = 60_000;

interface KnownStream {
  readonly config: StreamConfig;
  readonly expiresAt: number;
}

/** What the server and its streams can do, asked once and remembered for a while. */
export class ServerCapabilities {
  private readonly streams = new Map<string, KnownStream>();
  private level: Promise<number> | undefined;

  constructor(private readonly connection: JetStreamConnection) {
    connection.onReconnect(() => {
      // The process may have come back to another server.
      this.level = undefined;
      this.forgetStreams();
    });
  }

  /** JetStream API level: 0 up to nats-server 2.10, 1 for 2.11, 2 for 2.12. */
  apiLevel(): Promise<number> {
    this.level ??= this.askLevel().catch((error: unknown) => {
      this.level = undefined;
      throw error;
    });
    return this.level;
  }

  /**
   * Configuration of the stream that holds a subject.
   * @throws StreamNotFoundError of the client when there is none
   */
  async streamOf(subject: string): Promise<StreamConfig> {
    return this.knownStreamOf(subject) ?? (await this.findStream(subject));
  }

  /** Forgets what streams look like, because one turned out to look otherwise. */
  forgetStreams(): void {
    this.streams.clear();
  }

  private knownStreamOf(subject: string): StreamConfig | undefined {
    for (const [name, { config, expiresAt }] of this.streams) {
      if (expiresAt < Date.now()) this.streams.delete(name);
      else if (config.subjects.some((pattern) => matches(pattern, subject))) return config;
    }
  }

  private async findStream(subject: string): Promise<StreamConfig> {
    const { streams } = await this.connection.manager();
    const { config } = await streams.info(await streams.find(subject));
    this.streams.set(config.name, { config, expiresAt: Date.now() + STREAM_CACHE_MS });
    return config;
  }

  private async askLevel(): Promise<number> {
    const manager = await this.connection.manager();
    const { api } = await manager.getAccountInfo();
    return api.level ?? 0;
  }
}
