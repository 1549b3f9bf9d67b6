import { Controller, Get, Logger, Module, Post, Put, ServiceUnavailableException } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger as PinoLogger, LoggerModule } from 'nestjs-pino';
import { waitFor } from '@slipstream/testing';
import { createLog } from './log.js';
import { logRequests, nestLogOptions } from './request-log.js';

const lines: Record<string, unknown>[] = [];
const log = createLog('orders', {}, { write: (line) => void lines.push(JSON.parse(line)) });

@Controller()
class OrdersController {
  @Get('orders')
  list(): string[] {
    new Logger('Orders').log('listing');
    return [];
  }

  @Post('orders/checked')
  async check(): Promise<void> {
    await new Promise(setImmediate);
    new Logger('Orders').log('checking');
  }

  @Get('orders/slow')
  wait(): Promise<never> {
    new Logger('Orders').log('waiting');
    return new Promise(() => undefined);
  }

  @Post('orders')
  create(): never {
    throw new Error('boom');
  }

  @Put('orders')
  refuse(): never {
    throw new ServiceUnavailableException('too many orders wait');
  }

  @Get(['health/ready', 'metrics'])
  probe(): string {
    return 'ok';
  }
}

@Module({
  imports: [LoggerModule.forRoot(nestLogOptions(log))],
  controllers: [OrdersController],
})
class OrdersModule {}

describe('request log', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const module = await Test.createTestingModule({ imports: [OrdersModule] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(
      new FastifyAdapter({ genReqId: () => 'request-7', forceCloseConnections: true }),
      { bufferLogs: true },
    );
    app.useLogger(app.get(PinoLogger));
    logRequests(app.getHttpAdapter().getInstance(), log);
    await app.listen(0, '127.0.0.1');
  });

  beforeEach(() => {
    lines.splice(0);
  });
  afterAll(() => app.close());

  const written = (count: number) => waitFor(`${count} lines`, () => lines.length === count);
  const requestLines = () => lines.filter((line) => String(line['msg']).startsWith('request'));

  it('has one line per request, without its query, headers and body', async () => {
    await app.inject({ url: '/orders?email=a@b.c', headers: { authorization: 'Bearer secret' } });
    await written(2);
    expect(requestLines()).toEqual([
      {
        level: 'info',
        time: expect.any(String),
        pid: process.pid,
        service: 'orders',
        req: { id: expect.any(String), method: 'GET', path: '/orders' },
        res: { status: 200 },
        duration_ms: expect.any(Number),
        msg: 'request handled',
      },
    ]);
  });

  it('puts the request id on every line of the request', async () => {
    await app.inject('/orders');
    await written(2);
    expect(lines.map((line) => [line['msg'], line['req']])).toEqual([
      ['listing', { id: 'request-7', method: 'GET', path: '/orders' }],
      ['request handled', { id: 'request-7', method: 'GET', path: '/orders' }],
    ]);
  });

  it('puts the request id on lines written after the body arrived', async () => {
    await fetch(`${await app.getUrl()}/orders/checked`, { method: 'POST', body: '{}' });
    await written(2);
    expect(lines.map((line) => [line['msg'], line['req']])).toEqual([
      ['checking', { id: 'request-7', method: 'POST', path: '/orders/checked' }],
      ['request handled', { id: 'request-7', method: 'POST', path: '/orders/checked' }],
    ]);
  });

  it('tells of a client that went away', async () => {
    const client = new AbortController();
    const answer = fetch(`${await app.getUrl()}/orders/slow`, { signal: client.signal });
    await written(1);
    client.abort();
    await expect(answer).rejects.toThrow('aborted');
    await written(2);
    expect(lines[1]).toMatchObject({ level: 'info', msg: 'request aborted', req: { path: '/orders/slow' } });
  });

  it('is an error for a 5xx, without an invented stack, and not for what the client did wrong', async () => {
    await app.inject('/nowhere');
    await app.inject({ method: 'POST', url: '/orders' });
    await waitFor('both lines', () => requestLines().length === 2);
    expect(requestLines().map((line) => [line['level'], line['msg'], 'err' in line])).toEqual([
      ['info', 'request handled', false],
      ['error', 'request failed', false],
    ]);
  });

  it('is a warning for what is refused until there is room again', async () => {
    await app.inject({ method: 'PUT', url: '/orders' });
    await waitFor('the line', () => requestLines().length === 1);
    expect(requestLines().map((line) => [line['level'], line['res']])).toEqual([['warn', { status: 503 }]]);
  });

  it('has nothing for health probes and scrapes', async () => {
    await app.inject('/health/ready');
    await app.inject('/metrics');
    await app.inject('/orders');
    await written(2);
    expect(requestLines()).toMatchObject([{ req: { path: '/orders' } }]);
  });
});
