import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

// A process of its own, so that what is measured does not share its event loop: posts one body again and again over a
// fixed number of connections, each with one request under way, and prints a `LoadResult`.

export interface LoadResult {
  readonly elapsedMs: number;
  /** Milliseconds from request to answer, of every request, ascending. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Answers other than 202. */
  readonly failures: number;
}

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '' },
    path: { type: 'string', default: '/orders' },
    body: { type: 'string', default: '' },
    traceparent: { type: 'string', default: '' },
    requests: { type: 'string', default: '10000' },
    connections: { type: 'string', default: '128' },
  },
});
const port = Number(values.port);
const request = Buffer.from(
  `POST ${values.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
    (values.traceparent && `traceparent: ${values.traceparent}\r\n`) +
    `Content-Length: ${Buffer.byteLength(values.body)}\r\n\r\n${values.body}`,
);

class Load {
  private readonly latencies: Float64Array;
  private readonly done = Promise.withResolvers<void>();
  private sent = 0;
  private answered = 0;
  private failures = 0;

  constructor(private readonly requests: number) {
    this.latencies = new Float64Array(requests);
  }

  async run(connections: number): Promise<LoadResult> {
    const sockets = await Promise.all(Array.from({ length: connections }, open));
    const startedAt = performance.now();
    for (const socket of sockets) this.drive(socket);
    await this.done.promise;
    const elapsedMs = performance.now() - startedAt;
    for (const socket of sockets) socket.destroy();
    this.latencies.sort();
    const percentile = (share: number) =>
      Number(this.latencies[Math.ceil(share * this.requests) - 1]?.toFixed(2));
    return {
      elapsedMs,
      p50: percentile(0.5),
      p99: percentile(0.99),
      max: percentile(1),
      failures: this.failures,
    };
  }

  private drive(socket: Socket): void {
    let sentAt = 0;
    let received = '';
    const send = () => {
      if (this.sent === this.requests) return;
      this.sent++;
      sentAt = performance.now();
      socket.write(request);
    };
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (!isComplete(received)) return;
      if (!received.startsWith('HTTP/1.1 202')) this.failures++;
      received = '';
      this.latencies[this.answered++] = performance.now() - sentAt;
      if (this.answered === this.requests) this.done.resolve();
      else send();
    });
    socket.on('error', this.done.reject);
    socket.on('close', () => this.done.reject(new Error('the server closed a connection')));
    send();
  }
}

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

function isComplete(response: string): boolean {
  const end = response.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = /content-length: (\d+)/i.exec(response)?.[1] ?? '0';
  return response.length >= end + 4 + Number(length);
}

const result = await new Load(Number(values.requests)).run(Number(values.connections));
process.stdout.write(JSON.stringify(result));
