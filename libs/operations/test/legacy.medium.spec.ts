import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AckPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Inventory, ServerTooOldForOperationError } from '@slipstream/operations';
import { startNatsServer, type TestNatsServer } from '../../jetstream/test/nats-server.js';

const binary = process.env.NATS_LEGACY_SERVER_BIN;
const title = 'a server that cannot pause';
const describeLegacy = binary ? describe : describe.skip;

describeLegacy(binary ? title : `${title} (NATS_LEGACY_SERVER_BIN names none)`, () => {
  let server: TestNatsServer;
  let nc: NatsConnection;

  beforeAll(async () => {
    server = await startNatsServer(binary ?? '');
    nc = await connect({ servers: server.url });
  });

  afterAll(async () => {
    await nc.close();
    await server.stop();
  });

  it('is told of as too old, and its consumer is left as it is', async () => {
    const manager = await jetstreamManager(nc);
    await manager.streams.add({ name: 'S', subjects: ['s'] });
    await manager.consumers.add('S', { durable_name: 'c', ack_policy: AckPolicy.Explicit });
    const pausing = new Inventory(nc).pause('S', 'c', new Date(Date.now() + 60_000));
    await expect(pausing).rejects.toThrow(ServerTooOldForOperationError);
    await expect(pausing).rejects.toThrow('2.11');
    const { config } = await manager.consumers.info('S', 'c');
    expect(config.pause_until).toBeUndefined();
  });
});
