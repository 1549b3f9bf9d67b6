import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { configureHttp, createHttpAdapter } from '@slipstream/bootstrap';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppModule } from '../src/app.module.js';
import type { FaultSettings } from '../src/faults.js';

process.env['LOG_LEVEL'] = 'silent';

export const ORDER = { orderId: 'o-1', amountMinor: 1999, currency: 'EUR' };

/** A gateway with a ledger of its own, and who calls it over HTTP. */
export class GatewayScene {
  app: NestFastifyApplication;
  private directory: string;

  /** Before each test. */
  async set(): Promise<void> {
    this.directory = await mkdtemp(join(tmpdir(), 'gateway-'));
    await this.start();
  }

  /** After each test. */
  async clear(): Promise<void> {
    await this.app.close();
    await rm(this.directory, { recursive: true });
  }

  /** Of the ledger. */
  get file(): string {
    return join(this.directory, 'ledger.ndjson');
  }

  async restart(): Promise<void> {
    await this.app.close();
    await this.start();
  }

  async call(method: string, path: string, body?: object, key?: string) {
    const response = await fetch(`${await this.app.getUrl()}${path}`, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(key !== undefined && { 'idempotency-key': key }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
  }

  charge(key: string, body: object = ORDER) {
    return this.call('POST', '/charges', body, key);
  }

  refund(key: string) {
    return this.call('POST', `/charges/${key}/refund`);
  }

  async stats() {
    return (await this.call('GET', '/stats')).body;
  }

  setFaults(faults: Partial<FaultSettings>) {
    return this.call('PUT', '/faults', faults);
  }

  async untilInFlight(key: string): Promise<void> {
    while ((await this.call('GET', `/charges/${key}`)).status !== 409) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private async start(): Promise<void> {
    const config = { PORT: 0, GATEWAY_DATA_FILE: this.file };
    const module = await Test.createTestingModule({ imports: [AppModule.register(config)] }).compile();
    this.app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(), { logger: false });
    configureHttp(this.app);
    await this.app.listen(0, '127.0.0.1');
  }
}
