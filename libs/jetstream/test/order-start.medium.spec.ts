import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { EventPattern, InvalidHandlerError, OrderNotSupportedError } from '@slipstream/jetstream';
import { natsUrl, uniqueName } from '@slipstream/testing';
import { startTestApp, testStream, type TestApp, type TestStream } from './harness.js';
import { startNatsServer } from './nats-server.js';

const legacy = process.env.NATS_LEGACY_SERVER_BIN;

function start(
  stream: TestStream,
  durable: string,
  partitions: number,
  servers = natsUrl(),
): Promise<TestApp> {
  @Controller()
  class Ordered {
    @EventPattern(stream.subject('>'), { durable, partitions, orderBy: ({ subject }) => subject })
    on(): void {
      // Only its declaration matters.
    }
  }
  return startTestApp(stream, [Ordered], { connection: { servers } });
}

describe('starting a handler with orderBy', () => {
  let current: TestApp | undefined;
  const stream = testStream();
  const durable = uniqueName('d');

  beforeEach(() => {
    current = undefined;
  });

  afterEach(async () => {
    await current?.app.close();
  });

  it('refuses another number of partitions than there are, and says what to do', async () => {
    current = await start(stream, durable, 3);
    for (const partitions of [2, 4, 6]) {
      const error: unknown = await start(stream, durable, partitions).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(InvalidHandlerError);
      expect(String(error)).toContain(`another number of partitions than ${partitions}`);
    }
    await current.app.close();
    current = await start(stream, durable, 3);
  });
});

const describeLegacy = legacy ? describe : describe.skip;

describeLegacy('starting a handler with orderBy on nats-server 2.10', () => {
  it('is refused with the version it needs', async () => {
    const server = await startNatsServer(legacy ?? '');
    try {
      const error: unknown = await start(testStream(), 'd', 3, server.url).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(OrderNotSupportedError);
      expect(error).toMatchObject({ code: 'JS_ORDER_NOT_SUPPORTED', neededVersion: '2.11' });
      expect(String(error)).toContain('needs nats-server 2.11 or newer');
    } finally {
      await server.stop();
    }
  });
});
