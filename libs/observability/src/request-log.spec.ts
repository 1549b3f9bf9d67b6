import { Controller, Get, Logger, Module, Post } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger as PinoLogger, LoggerModule } from 'nestjs-pino';
import { createLog } from './log.js';
import { LOGGED_ROUTES, requestLogOptions } from './request-log.js';

const lines: Record<string, unknown>[] = [];
const log = createLog('orders', {}, { write: (line) => void lines.push(JSON.parse(line)) });

@Controller()
class OrdersController {
  @Get('orders')
  list(): string[] {
    new Logger('Orders').log('listing');
    return [];
  }

  @Post('orders')
  create(): never {
    throw new Error('boom');
  }

  @Get(['health/ready', 'metrics'])
  probe(): string {
    return 'ok';
  }
}

@Module({
  imports: [
    LoggerModule.forRoot({ pinoHttp: { ...requestLogOptions(), logger: log }, forRoutes: LOGGED_ROUTES }),
  ],
  controllers: [OrdersController],
})
class OrdersModule {}

describe('request log', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const module = await Test.createTestingModule({ imports: [OrdersModule] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(
      new FastifyAdapter({ genReqId: () => 'request-7' }),
      { bufferLogs: true },
    );
    app.useLogger(app.get(PinoLogger));
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });

  beforeEach(() => {
    lines.splice(0);
  });
  afterAll(() => app.close());

  const requestLines = () => lines.filter((line) => String(line['msg']).startsWith('request'));

  it('has one line per request, without its query, headers and body', async () => {
    await app.inject({ url: '/orders?email=a@b.c', headers: { authorization: 'Bearer secret' } });
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
    expect(lines.map((line) => [line['msg'], line['req']])).toEqual([
      ['listing', { id: 'request-7', method: 'GET', path: '/orders' }],
      ['request handled', { id: 'request-7', method: 'GET', path: '/orders' }],
    ]);
  });

  it('is an error for a 5xx, without an invented stack, and not for what the client did wrong', async () => {
    await app.inject('/nowhere');
    await app.inject({ method: 'POST', url: '/orders' });
    expect(requestLines().map((line) => [line['level'], line['msg'], 'err' in line])).toEqual([
      ['info', 'request handled', false],
      ['error', 'request failed', false],
    ]);
  });

  it('has nothing for health probes and scrapes', async () => {
    await app.inject('/health/ready');
    await app.inject('/metrics');
    expect(lines).toEqual([]);
  });
});
