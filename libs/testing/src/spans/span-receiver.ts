import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitFor } from '../wait-for.js';
import { decodeOtlp } from './otlp-protobuf.js';
import {
  spanOfZipkin,
  spansOfOtlp,
  type OtlpRequest,
  type ReceivedSpan,
  type ZipkinSpan,
} from './received-span.js';

/** A request by which spans came. */
interface Delivery {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** A collector: takes OTLP over HTTP, in protobuf or JSON, and Zipkin's JSON, and keeps the spans. */
export class SpanReceiver {
  readonly spans: ReceivedSpan[] = [];
  readonly deliveries: Delivery[] = [];
  /** Everything that was sent, as it was; protobuf holds texts as they are. */
  raw = '';
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => {
      this.take(request).then(
        () => response.end(),
        (error: unknown) => response.writeHead(400).end(String(error)),
      );
    });
  }

  static async start(): Promise<SpanReceiver> {
    const receiver = new SpanReceiver();
    receiver.server.listen(0, '127.0.0.1');
    await once(receiver.server, 'listening');
    return receiver;
  }

  get url(): string {
    const { port } = this.server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** Has a process send its spans here, soon after they end. */
  get environment(): NodeJS.ProcessEnv {
    return { OTEL_EXPORTER_OTLP_ENDPOINT: this.url, OTEL_BSP_SCHEDULE_DELAY: '100' };
  }

  of(traceId: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  /** The spans of a trace, once there are as many of each name as wanted. */
  async wait(traceId: string, wanted: Readonly<Record<string, number>>): Promise<ReceivedSpan[]> {
    const isThere = ([name, count]: [string, number]) =>
      this.of(traceId).filter((span) => span.name === name).length >= count;
    await waitFor(
      `the spans of ${traceId}`,
      () => {
        const missing = Object.entries(wanted).find((entry) => !isThere(entry));
        if (!missing) return true;
        const names = this.of(traceId).map(({ name }) => name);
        throw new Error(`"${missing[0]}" is missing among ${names.join(', ')}`);
      },
      60_000,
    );
    return this.of(traceId);
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private async take(request: IncomingMessage): Promise<void> {
    const body = await readAll(request);
    const { url: path = '', headers } = request;
    this.raw += body.toString();
    this.spans.push(...spansOf(path, headers['content-type'], body));
    this.deliveries.push({ path, headers });
  }
}

/** @throws when it is none of the formats */
function spansOf(path: string, contentType: string | undefined, body: Buffer): ReceivedSpan[] {
  switch (`${path} ${contentType}`) {
    case '/v1/traces application/x-protobuf':
      return spansOfOtlp(decodeOtlp(body));
    case '/v1/traces application/json':
      return spansOfOtlp(JSON.parse(body.toString()) as OtlpRequest);
    case '/api/v2/spans application/json':
      return (JSON.parse(body.toString()) as ZipkinSpan[]).map(spanOfZipkin);
    default:
      throw new Error(`nothing takes ${contentType} at ${path}`);
  }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
