import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { configureHttp, createHttpAdapter } from '@slipstream/bootstrap';
import { AppModule } from './app.module.js';
import { ProducerService, type ProducerStats } from './producer.service.js';
import type { Order } from './random-order.js';

process.env['LOG_LEVEL'] = 'silent';

interface Received {
  readonly key: string;
  readonly order: Order;
  readonly response: ServerResponse;
}

/** Stands for the order-service: keeps what it receives and answers as the test says. */
class OrderServiceDouble {
  readonly received: Received[] = [];
  answer: (received: Received, count: number) => void = ({ response }) => response.writeHead(202).end('{}');
  private readonly server: Server = createServer((request, response) => void this.receive(request, response));

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const address = this.server.address();
    if (address === null || typeof address === 'string') {
      throw new Error('not on TCP');
    }
    return `http://127.0.0.1:${address.port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) {
      body += String(chunk);
    }
    const received = { key: String(request.headers['idempotency-key']), order: JSON.parse(body), response };
    this.received.push(received);
    this.answer(received, this.received.length);
  }
}

describe('order producer', () => {
  let orderService: OrderServiceDouble;
  let app: NestFastifyApplication;

  beforeEach(async () => {
    orderService = new OrderServiceDouble();
    const config = { PORT: 0, ORDER_SERVICE_URL: await orderService.listen(), ORDER_RATE: 0 };
    const module = await Test.createTestingModule({ imports: [AppModule.register(config)] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(), { logger: false });
    configureHttp(app);
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });

  afterEach(async () => {
    orderService.close();
    await app.close();
  });

  const setRate = (ordersPerSecond: unknown) =>
    app.inject({ method: 'PUT', url: '/rate', payload: { ordersPerSecond } });
  const stats = async (): Promise<ProducerStats> => (await app.inject('/stats')).json();

  async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it('creates nothing at rate 0, and orders from the moment the rate says so', async () => {
    expect(await stats()).toEqual({ requested: 0, accepted: 0, failed: 0, skipped: 0, rate: 0 });
    await setRate(200);
    await until(() => orderService.received.length >= 10);
    expect((await stats()).rate).toBe(200);
    expect((await stats()).requested).toBeGreaterThanOrEqual(10);
    expect(new Set(orderService.received.map(({ key }) => key)).size).toBe(orderService.received.length);
  });

  it('tries an order again with the same key and body after a 503 and after a dropped connection', async () => {
    orderService.answer = ({ response }, count) => {
      if (count === 1) {
        response.writeHead(503).end();
      } else if (count === 2) {
        response.destroy();
      } else {
        response.writeHead(202).end('{}');
      }
    };
    await setRate(100);
    await until(() => orderService.received.length > 0);
    await setRate(0);
    await until(async () => (await stats()).accepted === (await stats()).requested);
    const [first] = orderService.received;
    const attempts = orderService.received.filter(({ key }) => key === first?.key);
    expect(attempts.length).toBeGreaterThanOrEqual(2);
    expect(attempts.every(({ order }) => JSON.stringify(order) === JSON.stringify(first?.order))).toBe(true);
    expect(await stats()).toMatchObject({ failed: 0, skipped: 0 });
  });

  it('counts an order that is refused as failed, and does not try it again', async () => {
    orderService.answer = ({ response }) => response.writeHead(400).end('{}');
    await setRate(100);
    await until(() => orderService.received.length > 0);
    await setRate(0);
    await until(async () => (await stats()).failed === (await stats()).requested);
    expect(orderService.received).toHaveLength((await stats()).requested);
  });

  it('skips orders beyond 1000 in flight rather than queueing them', async () => {
    orderService.answer = () => undefined;
    await setRate(100_000);
    await until(async () => (await stats()).skipped > 0);
    await setRate(0);
    expect(await stats()).toMatchObject({ requested: 1_000, accepted: 0, failed: 0 });
    orderService.answer = ({ response }) => response.writeHead(202).end('{}');
    orderService.received.forEach(({ response }) => response.writeHead(202).end('{}'));
    await until(async () => (await stats()).accepted === 1_000);
  });

  it('finishes the request in flight when it is stopped', async () => {
    orderService.answer = () => undefined;
    await setRate(100);
    await until(() => orderService.received.length > 0);
    const closing = app.close();
    orderService.answer = ({ response }) => response.writeHead(202).end('{}');
    orderService.received.forEach(({ response }) => response.writeHead(202).end('{}'));
    await closing;
    const { requested, accepted } = app.get(ProducerService).stats();
    expect(accepted).toBe(requested);
  });

  it.each([-1, 100_001, 'fast', null])('refuses the rate %j', async (rate) => {
    expect((await setRate(rate)).statusCode).toBe(400);
  });

  it('serves its health and metrics', async () => {
    expect((await app.inject('/health/ready')).statusCode).toBe(200);
    expect((await app.inject('/metrics')).body).toContain('service="order-producer"');
  });
});
