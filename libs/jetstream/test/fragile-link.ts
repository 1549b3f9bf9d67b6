import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A way to a server that can die without a word, or lose what is sent over it, while both ends take it for open. */
export class FragileLink {
  private readonly sockets = new Set<Socket>();
  private readonly dead = new WeakSet<Socket>();
  private losing: string | undefined;

  private constructor(
    private readonly server: Server,
    private readonly upstream: URL,
  ) {
    server.on('connection', (client) => this.join(client));
  }

  static async to(url: string): Promise<FragileLink> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FragileLink(server, new URL(url));
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** From now on nothing passes over the connections there are; new ones work. */
  die(): void {
    for (const socket of this.sockets) this.dead.add(socket);
  }

  /** Swallows the next thing a client sends that begins with the text, and what it sends along after it. */
  loseNext(text: string): void {
    this.losing = text;
  }

  get hasLost(): boolean {
    return this.losing === undefined;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket): void {
    const server = connect(Number(this.upstream.port), this.upstream.hostname);
    this.forward(client, server, (chunk) => this.beforeLoss(chunk));
    this.forward(server, client, (chunk) => chunk);
  }

  private forward(from: Socket, to: Socket, passing: (chunk: Buffer) => Buffer): void {
    this.sockets.add(from);
    from.on('data', (chunk: Buffer) => {
      if (!this.dead.has(from)) to.write(passing(chunk));
    });
    from.on('error', () => from.destroy());
    from.on('close', () => {
      this.sockets.delete(from);
      if (!this.dead.has(from)) to.destroy();
    });
  }

  private beforeLoss(chunk: Buffer): Buffer {
    const lossAt = this.losing === undefined ? -1 : chunk.indexOf(this.losing);
    if (lossAt < 0) return chunk;
    this.losing = undefined;
    return chunk.subarray(0, lossAt);
  }
}
