import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { connect } from '@nats-io/transport-node';
import { JetStreamConnection } from '@slipstream/jetstream';
import { natsUrl, waitFor } from '@slipstream/testing';

describe('a connection', () => {
  let connection: JetStreamConnection;

  beforeEach(async () => {
    connection = await JetStreamConnection.open({ servers: natsUrl() }, 1);
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await connection.onApplicationShutdown();
  });

  it('tells every listener each time it is back, although one of them throws', async () => {
    const errors = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    let told = 0;
    connection.onReconnect(() => {
      throw new Error('not today');
    });
    connection.onReconnect(() => told++);
    for (const times of [1, 2]) {
      await connection.nc.reconnect();
      await waitFor('the listener', () => told === times);
    }
    expect(errors).toHaveBeenCalledTimes(2);
  });

  it('of somebody else has answers sent to where that one has them sent', async () => {
    const nc = await connect({ servers: natsUrl(), inboxPrefix: '_INBOX_somebody' });
    expect(JetStreamConnection.over(nc).inboxPrefix).toBe('_INBOX_somebody');
    await nc.close();
  });
});
