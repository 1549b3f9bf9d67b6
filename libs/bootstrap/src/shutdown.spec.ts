import { EventEmitter, once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { Controller, Get, Injectable, Module, type BeforeApplicationShutdown } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { configureHttp, createHttpAdapter } from './http-app.js';
import { Shutdown, type ProcessPort } from './shutdown.js';

/** Stands for `process`: signals are events, an exit is recorded instead of ending the tests. */
class ProcessDouble extends EventEmitter implements ProcessPort {
  readonly exits: number[] = [];

  exit(code: number): void {
    this.exits.push(code);
    this.emit('exited');
  }
}

class Gate {
  open: () => void = () => undefined;
  readonly opened = new Promise<void>((resolve) => (this.open = resolve));
}

@Injectable()
class Teardown implements BeforeApplicationShutdown {
  readonly signals: (string | undefined)[] = [];
  hold: Promise<void> = Promise.resolve();

  async beforeApplicationShutdown(signal?: string): Promise<void> {
    this.signals.push(signal);
    await this.hold;
  }
}

@Controller()
class SlowController {
  static readonly entered = new EventEmitter();
  static gate = new Gate();

  @Get('slow')
  async slow(): Promise<string> {
    SlowController.entered.emit('request');
    await SlowController.gate.opened;
    return 'done';
  }
}

@Module({ controllers: [SlowController], providers: [Teardown] })
class SlowModule {}

describe('shutdown', () => {
  let app: NestFastifyApplication;
  let processDouble: ProcessDouble;
  let shutdown: Shutdown;
  let logged: unknown[];

  const create = (drainTimeoutMs: number) =>
    new Shutdown(processDouble, {
      drainTimeoutMs,
      fatalDrainTimeoutMs: drainTimeoutMs,
      log: {
        log: (line) => logged.push(line),
        fatal: (error) => logged.push(error),
        flush: async () => undefined,
      },
    });

  beforeEach(async () => {
    SlowController.gate = new Gate();
    logged = [];
    processDouble = new ProcessDouble();
    const module = await Test.createTestingModule({ imports: [SlowModule] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(), { logger: false });
    configureHttp(app);
    await app.listen(0, '127.0.0.1');
    shutdown = create(10_000);
    shutdown.install();
    shutdown.attach(app, Promise.resolve());
  });

  afterEach(async () => {
    SlowController.gate.open();
    shutdown.uninstall();
    await app.close();
  });

  const port = () => Number(new URL(`http://${addressOf(app)}`).port);

  it('drains on SIGTERM and exits with 0, telling the hooks the signal', async () => {
    processDouble.emit('SIGTERM');
    await once(processDouble, 'exited');
    expect(processDouble.exits).toEqual([0]);
    expect(app.get(Teardown).signals).toEqual(['SIGTERM']);
    expect(logged).toEqual(['SIGTERM received, draining', 'drained']);
  });

  it('answers the request in flight before it exits, and closes its keep-alive connection', async () => {
    const agent = new Agent({ keepAlive: true });
    const entered = once(SlowController.entered, 'request');
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      get({ port: port(), host: '127.0.0.1', path: '/slow', agent }, resolve).on('error', reject);
    });
    await entered;
    processDouble.emit('SIGINT');
    expect(processDouble.exits).toEqual([]);
    await untilNotListening(app);
    SlowController.gate.open();
    const { statusCode, headers } = await response.then((message) => message.resume());
    expect({ statusCode, connection: headers.connection }).toEqual({ statusCode: 200, connection: 'close' });
    await exitOf(processDouble);
    expect(processDouble.exits).toEqual([0]);
    agent.destroy();
  });

  it('exits with 1 when the drain passes its deadline', async () => {
    shutdown.uninstall();
    shutdown = create(30);
    shutdown.install();
    shutdown.attach(app, Promise.resolve());
    const gate = new Gate();
    app.get(Teardown).hold = gate.opened;
    processDouble.emit('SIGTERM');
    await exitOf(processDouble);
    expect(processDouble.exits).toEqual([1]);
    expect(logged.at(-1)).toEqual(new Error('The drain did not end within 30 ms.'));
    gate.open();
  });

  it('ends at once on a second signal', async () => {
    const gate = new Gate();
    app.get(Teardown).hold = gate.opened;
    processDouble.emit('SIGINT');
    processDouble.emit('SIGINT');
    expect(processDouble.exits).toEqual([130]);
    gate.open();
    await once(processDouble, 'exited');
  });

  it('logs an error that nobody caught, drains and exits with 1', async () => {
    const error = new Error('nobody caught me');
    processDouble.emit('unhandledRejection', error);
    await once(processDouble, 'exited');
    expect(processDouble.exits).toEqual([1]);
    expect(logged[0]).toBe(error);
  });

  it('lets a start in progress end before it tears the app down', async () => {
    const started = new Gate();
    shutdown.attach(app, started.opened);
    processDouble.emit('SIGTERM');
    expect(shutdown.isStopping()).toBe(true);
    expect(app.get(Teardown).signals).toEqual([]);
    started.open();
    await once(processDouble, 'exited');
    expect(processDouble.exits).toEqual([0]);
  });
});

async function exitOf(processDouble: ProcessDouble): Promise<void> {
  if (processDouble.exits.length === 0) {
    await once(processDouble, 'exited');
  }
}

function addressOf(app: NestFastifyApplication): string {
  const address = app.getHttpServer().address();
  if (address === null || typeof address === 'string') {
    throw new Error('The app does not listen on TCP.');
  }
  return `${address.address}:${address.port}`;
}

/** Ends once the server takes no new connection. */
async function untilNotListening(app: NestFastifyApplication): Promise<void> {
  while (app.getHttpServer().listening) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
