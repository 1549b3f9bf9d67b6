import { afterAll, beforeAll, describe } from '@jest/globals';
import { describeConformance } from './conformance.js';
import { startNatsServer, type TestNatsServer } from './nats-server.js';

const binary = process.env.NATS_LEGACY_SERVER_BIN;
const title = 'an old server';
const describeLegacy = binary ? describe : describe.skip;

describeLegacy(binary ? title : `${title} (NATS_LEGACY_SERVER_BIN names none)`, () => {
  let server: TestNatsServer;

  beforeAll(async () => {
    server = await startNatsServer(binary ?? '');
  });

  afterAll(() => server.stop());

  describeConformance('nats-server 2.10', () => server.url);
});
