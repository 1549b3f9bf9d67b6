import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { configureHttp, createHttpAdapter } from './http-app.js';
import { ERROR_TRANSLATION } from './problem.filter.js';
import { ProblemException } from './problem.js';

@Controller()
class FailingController {
  @Get()
  fail(): never {
    throw new RangeError('full');
  }
}

@Module({ controllers: [FailingController] })
class PlainModule {}

@Module({
  imports: [PlainModule],
  providers: [{ provide: ERROR_TRANSLATION, useValue: () => new ProblemException(503) }],
})
class TranslatingModule {}

describe('the HTTP behaviour of an app', () => {
  let app: NestFastifyApplication;
  const complained = jest.fn();

  /** As `startApp` does: Nest logs what its container is asked for in vain. */
  async function start(module: typeof PlainModule): Promise<void> {
    const logger = { log: () => undefined, warn: complained, error: complained, fatal: complained };
    app = await NestFactory.create(module, createHttpAdapter(), { logger, abortOnError: false });
    configureHttp(app);
    await app.init();
  }

  afterEach(async () => {
    complained.mockClear();
    await app.close();
  });

  it('translates errors where a module says how', async () => {
    await start(TranslatingModule);
    expect((await app.inject('/')).statusCode).toBe(503);
  });

  it('starts without a complaint where none does', async () => {
    await start(PlainModule);
    expect(complained).not.toHaveBeenCalled();
    expect((await app.inject('/')).statusCode).toBe(500);
  });
});
