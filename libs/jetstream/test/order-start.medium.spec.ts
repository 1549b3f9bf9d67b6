import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { EventPattern, InvalidHandlerError, OrderNotSupportedError } from '@slipstream/jetstream';
import { uniqueName } from '@slipstream/testing';
import { startTestApp, testStream, type TestApp } from './harness.js';
import { startNatsServer } from './nats-server.js';

const legacy = process.env.NATS_LEGACY_SERVER_BIN;
const itLegacy = legacy ? it : it.skip;

describe('starting a handler with orderBy', () => {
  let current: TestApp | undefined;
  const stream = testStream();
  const durable = uniqueName('d');

  function start(partitions: number, servers?: string): Promise<TestApp> {
    @Controller()
    class Ordered {
      @EventPattern(stream.subject('>'), { durable, partitions, orderBy: ({ subject }) => subject })
      on(): void {
        // Only its declaration matters.
      }
    }
    return startTestApp(stream, [Ordered], servers ? { connection: { servers } } : {});
  }

  beforeEach(() => {
    current = undefined;
  });

  afterEach(async () => {
    await current?.app.close();
  });

  it('refuses another number of partitions than there are, and says what to do', async () => {
    current = await start(3);
    for (const partitions of [2, 4, 6]) {
      const error: unknown = await start(partitions).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(InvalidHandlerError);
      expect(String(error)).toContain(`another number of partitions than ${partitions}`);
    }
    await current.app.close();
    current = await start(3);
  });

  itLegacy('refuses nats-server 2.10 and names the version it needs', async () => {
    const server = await startNatsServer(legacy ?? '');
    try {
      const error: unknown = await start(3, server.url).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(OrderNotSupportedError);
      expect(error).toMatchObject({ code: 'JS_ORDER_NOT_SUPPORTED', neededVersion: '2.11' });
      expect(String(error)).toContain('needs nats-server 2.11 or newer');
    } finally {
      await server.stop();
    }
  });
});
