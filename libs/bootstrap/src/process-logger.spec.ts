import { describe, expect, it, jest } from '@jest/globals';
import { PARAMS_PROVIDER_TOKEN, PinoLogger } from 'nestjs-pino';
import { Test } from '@nestjs/testing';
import { pino } from 'pino';
import { ProcessLogger } from './process-logger.js';

describe('process logger', () => {
  it('tells on standard error what ends the process before the log exists', async () => {
    const told: unknown[] = [];
    const stderr = jest.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(text) > 0);
    const logger = new ProcessLogger();
    logger.log('Starting', 'NestFactory');
    logger.fatal(new Error('nobody caught this'), 'order-service');
    await logger.flush();
    stderr.mockRestore();
    expect(told).toEqual([expect.stringMatching(/^Error: nobody caught this\n.*process-logger\.spec/)]);
  });

  it('holds lines until the log exists, then writes them in order, with the chatter of Nest at debug', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = new ProcessLogger();
    logger.log('Starting', 'NestFactory');
    logger.log('Mapped {/orders, POST} route', 'RouterExplorer');
    expect(logger.isConnected()).toBe(false);

    const log = pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) });
    const module = await Test.createTestingModule({
      providers: [PinoLogger, { provide: PARAMS_PROVIDER_TOKEN, useValue: { pinoHttp: { logger: log } } }],
    }).compile();
    await module.resolve(PinoLogger);

    expect(logger.isConnected()).toBe(true);
    const error = new Error('Unable to connect');
    logger.error(error, 'TypeOrmModule');
    expect(lines.map(({ level, context, msg }) => [level, context, msg])).toEqual([
      [30, 'NestFactory', 'Starting'],
      [20, 'RouterExplorer', 'Mapped {/orders, POST} route'],
      [50, 'TypeOrmModule', 'Unable to connect'],
    ]);
  });
});
