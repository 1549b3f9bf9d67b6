import { Controller, Get, Module } from '@nestjs/common';
import { ApiOkResponse, ApiResponse } from '@nestjs/swagger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { configureHttp, createHttpAdapter } from './http-app.js';
import { serveApiDocument } from './openapi.js';

@Controller('parcels')
class ParcelsController {
  @Get()
  @ApiOkResponse({ description: 'All of them.' })
  @ApiResponse({ status: 409, description: 'They are being counted.' })
  list(): string[] {
    return [];
  }
}

@Module({ controllers: [ParcelsController] })
class ParcelsModule {}

describe('API document', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const module = await Test.createTestingModule({ imports: [ParcelsModule] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(), { logger: false });
    configureHttp(app);
    const asyncApi = { asyncapi: '3.0.0' };
    serveApiDocument(app, { title: 'Parcels', description: 'Parcels on their way.', asyncApi });
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });

  afterAll(() => app.close());

  it('is served as a page at /docs', async () => {
    const response = await app.inject('/docs');
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-type']).toContain('text/html');
  });

  it('is served as JSON at /docs/json and names the problem format of every operation', async () => {
    const document = (await app.inject('/docs/json')).json();
    expect(document.info).toMatchObject({ title: 'Parcels', description: 'Parcels on their way.' });
    const { responses } = document.paths['/parcels'].get;
    const content = {
      'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDetails' } },
    };
    expect(responses.default).toEqual({ description: 'Any error', content });
    expect(responses['409']).toEqual({ description: 'They are being counted.', content });
    expect(responses['200']).toEqual({ description: 'All of them.' });
  });

  it('links the messages of the app, which are served beside it', async () => {
    const { externalDocs } = (await app.inject('/docs/json')).json();
    expect(externalDocs).toMatchObject({ url: '/docs/asyncapi.json' });
    const response = await app.inject(externalDocs.url);
    expect(response.headers['content-type']).toContain('application/json');
    expect(response.json()).toEqual({ asyncapi: '3.0.0' });
  });
});
