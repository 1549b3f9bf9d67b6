import {
  Body,
  Controller,
  Get,
  InternalServerErrorException,
  Logger,
  Module,
  Post,
  Query,
  RequestMethod,
  type MiddlewareConsumer,
} from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Type } from 'class-transformer';
import { ArrayMinSize, IsInt, IsString, Min, ValidateNested } from 'class-validator';
import { BODY_LIMIT_BYTES, configureHttp, createHttpAdapter } from './http-app.js';
import { ProblemException } from './problem.js';

class LineDto {
  @IsString() sku: string;
  @IsInt() @Min(1) quantity: number;
}

class OrderDto {
  @IsString() customerId: string;
  @ValidateNested({ each: true }) @ArrayMinSize(1) @Type(() => LineDto) lines: LineDto[];
}

class PageDto {
  @Type(() => Number) @IsInt() limit: number;
}

@Controller()
class ProbeController {
  @Post('orders')
  create(@Body() order: OrderDto): { isDto: boolean } {
    return { isDto: order instanceof OrderDto && order.lines[0] instanceof LineDto };
  }

  @Get('page')
  page(@Query() page: PageDto): { limit: number } {
    return { limit: page.limit };
  }

  @Get('conflict')
  conflict(): never {
    throw new ProblemException(409, {
      title: 'Charge in flight',
      detail: 'Ask again.',
      type: 'urn:problem:in-flight',
      headers: { 'Retry-After': '1' },
    });
  }

  @Get('broken')
  broken(): never {
    throw new Error('password=hunter2 at 10.0.0.7');
  }

  @Get('broken-http')
  brokenHttp(): never {
    throw new InternalServerErrorException('duplicate key value violates unique constraint');
  }

  @Get('thrown-text')
  thrownText(): never {
    throw 'just a string';
  }
}

@Module({ controllers: [ProbeController] })
class ProbeModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply(() => {
        throw new ProblemException(403, { detail: 'Refused before routing.' });
      })
      .forRoutes({ path: 'guarded', method: RequestMethod.ALL });
  }
}

describe('errors over HTTP', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const module = await Test.createTestingModule({ imports: [ProbeModule] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(), { logger: false });
    configureHttp(app);
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });

  afterAll(() => app.close());
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const json = { 'content-type': 'application/json' };
  const postOrder = (payload: string | object, headers: Record<string, string> = json) =>
    app.inject({ method: 'POST', url: '/orders', headers, payload });

  it('passes a valid body on as an instance of its DTO', async () => {
    const response = await postOrder({ customerId: 'c-1', lines: [{ sku: 'A', quantity: 2 }] });
    expect(response.statusCode).toBe(201);
    expect(response.json()).toEqual({ isDto: true });
  });

  it('reports every violation of a body, addressed by its path', async () => {
    const response = await postOrder({
      lines: [
        { sku: 'A', quantity: 0 },
        { quantity: 1, color: 'red' },
      ],
    });
    expect(response.statusCode).toBe(400);
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    const problem = response.json();
    expect(problem).toMatchObject({
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      instance: '/orders',
    });
    expect(problem.errors).toEqual([
      { field: 'customerId', reason: 'customerId must be a string' },
      { field: 'lines[0].quantity', reason: 'quantity must not be less than 1' },
      { field: 'lines[1].color', reason: 'property color should not exist' },
      { field: 'lines[1].sku', reason: 'sku must be a string' },
    ]);
  });

  it('addresses a wrong query parameter by its name and leaves the query out of the instance', async () => {
    const response = await app.inject('/page?limit=ten');
    expect(response.json()).toMatchObject({
      status: 400,
      instance: '/page',
      errors: [{ field: 'limit', reason: 'limit must be an integer number' }],
    });
  });

  it.each([
    ['{"customerId": "c-1",}', /double-quoted property name.*line 1 column 22/],
    ['{"customerId": }', /Unexpected token '}'/],
    ['{"customerId": "c-1"', /position 20 \(line 1 column 21\)/],
  ])('says where the body %s is not JSON', async (payload, expected) => {
    const response = await postOrder(payload);
    expect(response.statusCode).toBe(400);
    expect(response.json().detail).toMatch(expected);
  });

  it('refuses an empty JSON body and one that would poison a prototype', async () => {
    expect((await postOrder('')).json()).toMatchObject({
      status: 400,
      detail: expect.stringContaining('empty'),
    });
    expect((await postOrder('{"__proto__": {"admin": true}}')).json()).toMatchObject({
      status: 400,
      detail: expect.stringContaining('forbidden key'),
    });
  });

  it('answers 413 to a body beyond the limit', async () => {
    const response = await postOrder(JSON.stringify({ customerId: 'x'.repeat(BODY_LIMIT_BYTES) }));
    expect(response.json()).toMatchObject({ status: 413, title: 'Payload Too Large' });
  });

  it.each([
    ['<order/>', 'application/xml'],
    ['{"customerId": "c"}', 'text/plain'],
    ['customerId=c', 'application/x-www-form-urlencoded'],
  ])('answers 415 to %s as %s, which it does not read', async (body, type) => {
    const response = await postOrder(body, { 'content-type': type });
    expect(response.json()).toMatchObject({ status: 415, title: 'Unsupported Media Type' });
  });

  it('answers 404 to an unknown route', async () => {
    const response = await app.inject('/nowhere?x=1');
    expect(response.headers['content-type']).toContain('application/problem+json');
    expect(response.json()).toMatchObject({ status: 404, title: 'Not Found', instance: '/nowhere' });
  });

  it('answers 400 to a path that is not valid percent-encoding', async () => {
    const response = await app.inject('/page/%zz');
    expect(response.headers['content-type']).toContain('application/problem+json');
    expect(response.json()).toMatchObject({ status: 400, instance: '/page/%zz' });
  });

  it.each([
    ['[', ']'],
    ['{"a":', '}'],
    ['{"sku":[', ']}'],
  ])('refuses a body that nests %j thousands of times', async (opening, closing) => {
    const nested = `${opening.repeat(20_000)}1${closing.repeat(20_000)}`;
    const response = await postOrder(`{"customerId": "c-1", "lines": ${nested}}`);
    expect(response.json()).toMatchObject({ status: 400, title: 'Bad Request' });
  });

  it.each([
    [json, '"text"'],
    [json, '[]'],
    [json, '7'],
    [json, 'null'],
    [{ 'content-type': 'text/plain' }, 'text'],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, 'customerId=c'],
  ])('refuses with %j a body that is %s', async (headers, payload) => {
    expect((await postOrder(payload, headers)).statusCode).toBeGreaterThanOrEqual(400);
    expect((await postOrder(payload, headers)).statusCode).toBeLessThan(500);
  });

  it('sends a thrown problem with its type, title, detail and headers', async () => {
    const response = await app.inject('/conflict');
    expect(response.headers['retry-after']).toBe('1');
    expect(response.json()).toEqual({
      type: 'urn:problem:in-flight',
      title: 'Charge in flight',
      status: 409,
      detail: 'Ask again.',
      instance: '/conflict',
    });
  });

  it('answers a problem that a middleware throws before routing', async () => {
    const response = await app.inject('/guarded');
    expect(response.headers['content-type']).toContain('application/problem+json');
    expect(response.json()).toMatchObject({ status: 403, instance: '/guarded' });
  });

  it.each(['/broken', '/broken-http', '/thrown-text'])(
    'hides the internals of %s and logs its error once',
    async (url) => {
      const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
      const response = await app.inject(url);
      expect(response.json()).toEqual({
        type: 'about:blank',
        title: 'Internal Server Error',
        status: 500,
        detail: 'The service met an unexpected error. It was logged under this request id.',
        instance: url,
      });
      expect(logged).toHaveBeenCalledTimes(1);
    },
  );

  it('logs nothing for an error that the client made', async () => {
    const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    await app.inject('/nowhere');
    await app.inject('/conflict');
    expect(logged).not.toHaveBeenCalled();
  });

  it.each(['/page?limit=1', '/nowhere', '/broken', '/page/%zz'])(
    'answers %s with the request id of the client',
    async (url) => {
      jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
      const response = await app.inject({ url, headers: { 'x-request-id': 'order-7/attempt-2' } });
      expect(response.headers['x-request-id']).toBe('order-7/attempt-2');
    },
  );

  it.each(['forged id\r\n', 'x'.repeat(129), undefined])(
    'replaces the request id %j by a new one',
    async (id) => {
      const headers = id === undefined ? {} : { 'x-request-id': id };
      const response = await app.inject({ url: '/nowhere', headers });
      expect(response.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    },
  );
});
