import { failpoint } from '@slipstream/failpoints';
import { Agent, request as httpRequest } from 'node:http';
import { Agent as TlsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

export interface HttpQuestion {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Longest answer anybody should send here. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Keeps connections open between calls: a new one for each would cost more than the call. */
export class HttpClient {
  private readonly base: URL;
  private readonly agent: Agent;
  private readonly request: typeof httpRequest;

  /** @param timeoutMs milliseconds from the call to the last byte of its answer */
  constructor(
    baseUrl: string,
    private readonly timeoutMs: number,
  ) {
    this.base = new URL(baseUrl);
    const isTls = this.base.protocol === 'https:';
    this.agent = isTls ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true });
    this.request = isTls ? httpsRequest : httpRequest;
  }

  /** Rejects with the error of the connection when there is no whole answer in time. */
  send({ method, path, headers, body }: HttpQuestion): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const request = this.request({
        agent: this.agent,
        // Without the brackets of an IPv6 literal, which are no part of an address.
        host: urlToHttpOptions(this.base).hostname,
        port: this.base.port,
        method,
        path: `${this.base.pathname.replace(/\/$/, '')}${path}`,
        headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
      });
      const timer = setTimeout(
        () => request.destroy(new Error(`no answer within ${this.timeoutMs} ms`)),
        this.timeoutMs,
      );
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
      };
      request.on('error', fail);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > MAX_BODY_BYTES) request.destroy(new Error('the answer is too long'));
        });
        response.on('error', fail);
        response.on('end', () => {
          clearTimeout(timer);
          if (method === 'POST') failpoint('gateway.answered');
          const { statusCode: status = 0, headers: answered } = response;
          resolve({ status, retryAfter: answered['retry-after'], body: text });
        });
      });
      // Flushed: the gateway may act on what the process does not live to see answered.
      request.end(body, () => method === 'POST' && failpoint('gateway.sent'));
    });
  }

  close(): void {
    this.agent.destroy();
  }
}
