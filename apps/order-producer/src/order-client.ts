import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Order } from './random-order.js';

/** Longest silence of the order-service during one request, in milliseconds. */
const TIMEOUT_MS = 10_000;

const MAX_CONNECTIONS = 256;

export interface OrderAnswer {
  readonly status: number;
  /** Delay that the service asked for before the next attempt, in milliseconds. */
  readonly retryAfterMs: number | undefined;
}

/** Sends orders to the order-service over connections that are kept open. */
export class OrderClient {
  private readonly url: URL;
  private readonly agent: HttpAgent | HttpsAgent;

  /** @param baseUrl address of the order-service, with a path prefix if it has one */
  constructor(baseUrl: string) {
    this.url = new URL('orders', baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
    const options = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
    this.agent = this.url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Resolves with any answer of the service; rejects when there was none. */
  place(key: string, order: Order): Promise<OrderAnswer> {
    const body = JSON.stringify(order);
    const send = this.url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(this.url, {
        method: 'POST',
        agent: this.agent,
        timeout: TIMEOUT_MS,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'idempotency-key': key,
        },
      });
      request.on('timeout', () => request.destroy(new Error(`No answer within ${TIMEOUT_MS} ms.`)));
      request.on('error', reject);
      request.on('response', (response) => {
        const retryAfterMs = readSeconds(response.headers['retry-after']);
        // Unread, the body would keep its connection from being used again.
        response.resume();
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, retryAfterMs }));
      });
      request.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

function readSeconds(header: string | undefined): number | undefined {
  const seconds = Number(header);
  return header !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}
