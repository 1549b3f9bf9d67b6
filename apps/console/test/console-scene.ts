import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { configureHttp, createHttpAdapter } from '@slipstream/bootstrap';
import { natsUrl } from '@slipstream/testing';
import { request } from 'node:http';
import { SERVICE_URL_VARIABLES } from '../../service-urls.js';
import { AppModule } from '../src/app.module.js';
import { configSchema } from '../src/config.js';
import { servePages } from '../src/pages.js';

process.env['LOG_LEVEL'] = 'silent';

/** Nobody listens there; at the usual addresses a system may run beside the tests. */
const NOWHERE = 'http://127.0.0.1:1';
const AWAY = {
  NATS_MONITOR_URL: NOWHERE,
  ...Object.fromEntries(SERVICE_URL_VARIABLES.map((variable) => [variable, NOWHERE])),
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** A console on the server of the test run, and who asks it over HTTP. */
export class ConsoleScene {
  private constructor(private readonly app: NestFastifyApplication) {}

  /**
   * @param environment over that of a console without token
   * @param pages directory of the built pages
   */
  static async set(environment: Record<string, string> = {}, pages = '/nowhere'): Promise<ConsoleScene> {
    const config = configSchema.parse({ NATS_URL: natsUrl(), ...AWAY, ...environment });
    const module = await Test.createTestingModule({ imports: [AppModule.register(config)] }).compile();
    const app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(), { logger: false });
    configureHttp(app);
    await servePages(app, pages);
    await app.listen(0, '127.0.0.1');
    return new ConsoleScene(app);
  }

  clear(): Promise<void> {
    return this.app.close();
  }

  async fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(`${await this.app.getUrl()}${path}`, init);
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask(path, { headers });
  }

  post(path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  }

  /** Sends the request line and headers as they are, which `fetch` would put right. */
  async request(path: string, headers: Record<string, string> = {}): Promise<number | undefined> {
    const { port } = new URL(await this.app.getUrl());
    return new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      })
        .on('error', reject)
        .end();
    });
  }

  private async ask(path: string, init: RequestInit): Promise<Answer> {
    const response = await this.fetch(path, init);
    const body = (await response.json()) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, body };
  }
}
