import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Controller, Logger, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  applyTopology,
  declareTopology,
  EventPattern,
  JetStreamContext,
  servicePermissions,
  TopologyUnavailableError,
  type JetStreamOptions,
} from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { startTestApp, testStream, type TestStream } from './harness.js';
import { startNatsServer, type TestNatsServer } from './nats-server.js';

const DURABLE = 'bound';

/** What a service needs that creates nothing, as its user would be permitted in production. */
function permissions(stream: TestStream): string[] {
  const attempts = 'KV_slipstream_attempts.$KV.slipstream_attempts.>';
  const redrives = `OPERATIONS.${stream.name}__${DURABLE}`;
  return [
    `$JS.API.CONSUMER.MSG.NEXT.${stream.name}.${DURABLE}`,
    `$JS.ACK.${stream.name}.${DURABLE}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${redrives}`,
    `$JS.ACK.${redrives}.>`,
    stream.deadLetterSubject,
    stream.subject('out'),
    '$KV.slipstream_attempts.>',
    `$JS.API.DIRECT.GET.${attempts}`,
  ];
}

function users(allowed: readonly string[]): string {
  const list = allowed.map((subject) => JSON.stringify(subject)).join(', ');
  return `authorization { users = [
    { user: admin, password: admin }
    { user: service, password: service, permissions: {
      publish: { allow: [${list}] }, subscribe: { allow: ["_INBOX_service.>"] } } }
  ] }`;
}

describe('a service that only binds', () => {
  let stream: TestStream;
  let server: TestNatsServer | undefined;
  let apps: INestApplication[];
  let handled: string[];

  async function serve(allowed: readonly string[]): Promise<void> {
    server = await startNatsServer(process.env.NATS_SERVER_BIN ?? 'nats-server', users(allowed));
  }

  function controller() {
    @Controller()
    class Bound {
      @EventPattern(stream.subject('in'), { durable: DURABLE, maxDeliver: 2, backoffMs: [1] })
      on(@Payload() payload: string, @Ctx() context: JetStreamContext): void {
        handled.push(`${payload}:${context.attempt}`);
        if (payload === 'poison') throw new Error('cannot');
      }
    }
    return Bound;
  }

  async function asAdmin<T>(
    work: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<T>,
  ): Promise<T> {
    const nc = await connect({ servers: server?.url, user: 'admin', pass: 'admin' });
    try {
      return await work(await jetstreamManager(nc));
    } finally {
      await nc.close();
    }
  }

  async function provision(): Promise<void> {
    const services = [{ name: 'bound', controllers: [controller()] }];
    await asAdmin((manager) =>
      applyTopology(manager, declareTopology(services, [stream], { replicas: 1, apiLevel: 2 })),
    );
    const { app } = await startTestApp(stream, [], {
      connection: { servers: server?.url, user: 'admin', pass: 'admin' },
    });
    await app.close();
  }

  async function start(options: Partial<JetStreamOptions> = {}) {
    const started = await startTestApp(stream, [controller()], {
      connection: {
        servers: server?.url,
        user: 'service',
        pass: 'service',
        inboxPrefix: '_INBOX_service',
      },
      topology: 'bind',
      ...options,
    });
    apps.push(started.app);
    return started;
  }

  beforeEach(() => {
    stream = testStream();
    apps = [];
    handled = [];
  });

  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await server?.stop();
    server = undefined;
  });

  it('surveys what it may see, and asks once for what it may not', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const own = `$JS.API.CONSUMER.INFO.${stream.name}.${DURABLE}`;
    await serve([...permissions(stream), own, `$JS.API.STREAM.INFO.${stream.name}`]);
    await provision();
    const { server: transport } = await start();
    const { streams, consumers } = await transport.survey();
    expect(streams.map((state) => state.stream)).toEqual([stream.name]);
    expect(consumers.map(({ consumer }) => consumer)).toEqual([DURABLE]);
    // Three streams, the consumers of four, and those of redrives.
    await waitFor('all refusals to be told', () => error.mock.calls.length === 8);
    await transport.survey();
    await transport.survey();
    expect(error).toHaveBeenCalledTimes(8);
    error.mockRestore();
  });

  it('sees with the permissions of its declaration what operators sent it and it has not handled', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const declaration = { name: 'service', controllers: [controller()] };
    await serve(servicePermissions(declaration, [stream]).publish.allow);
    await provision();
    const { server: transport } = await start();
    await transport.pause(DURABLE);
    await asAdmin((manager) =>
      manager.jetstream().publish(`operations.redrive.${stream.name}.${DURABLE}.1`, 'again'),
    );
    const { consumers } = await transport.survey();
    const redrives = `${stream.name}__${DURABLE}`;
    expect(consumers).toContainEqual(expect.objectContaining({ consumer: redrives, pending: 1 }));
    error.mockRestore();
  });

  it('that may not look at its consumers is not asked about their progress again', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    await serve(permissions(stream));
    await provision();
    const { server: transport } = await start();
    await waitFor('the refusal', () => error.mock.calls.length > 0);
    expect(await transport.survey()).toEqual({ streams: [], consumers: [] });
    expect(transport.liveness()[0]).toMatchObject({ state: 'running', stuckMs: 0 });
    error.mockRestore();
  });

  it('consumes, retries, dead-letters and publishes with the permissions of these alone', async () => {
    await serve(permissions(stream));
    await provision();
    const { publisher, settled } = await start();
    await publisher.publish({ subject: stream.subject('out'), data: Buffer.from('"result"') });
    await asAdmin(async (manager) => {
      const js = manager.jetstream();
      await js.publish(stream.subject('in'), '"fine"');
      await js.publish(stream.subject('in'), '"poison"');
    });
    await waitFor('both', () => settled.some(({ outcome }) => outcome === 'dead-lettered'));
    expect(handled).toEqual(['fine:1', 'poison:1', 'poison:2']);
    const letters = await asAdmin((manager) => manager.streams.info(`${stream.name}_DLQ`));
    expect(letters.state.messages).toBe(1);
    await waitFor('the acks', () =>
      asAdmin(async (manager) => {
        const info = await manager.consumers.info(stream.name, DURABLE);
        return info.num_ack_pending === 0 && info.num_pending === 0;
      }),
    );
  });

  it('dead-letters what the server was made to send where the service may not publish', async () => {
    await serve(permissions(stream));
    await provision();
    await start();
    const user = { user: 'service', pass: 'service', inboxPrefix: '_INBOX_service' };
    const intruder = await connect({ servers: server?.url, ...user });
    await jetstream(intruder).publish('$KV.slipstream_attempts.forged', '"forged"');
    const stored = '$JS.API.DIRECT.GET.KV_slipstream_attempts.$KV.slipstream_attempts.forged';
    intruder.publish(stored, '', { reply: stream.subject('in') });
    await waitFor('the dead letter', async () => {
      const letter = await asAdmin((manager) =>
        manager.streams.getMessage(`${stream.name}_DLQ`, { last_by_subj: stream.deadLetterSubject }),
      );
      return letter?.header.get('dead-letter-code') === 'JS_SERVER_ANSWER';
    });
    expect(handled).toEqual([]);
    await intruder.close();
  });

  it('leaves nothing behind by looking', async () => {
    await serve(permissions(stream));
    await provision();
    const before = await asAdmin((manager) => manager.getAccountInfo());
    await start();
    const after = await asAdmin((manager) => manager.getAccountInfo());
    expect(after).toMatchObject({ streams: before.streams, consumers: before.consumers });
    for (const name of [`${stream.name}_DLQ`, 'KV_slipstream_attempts']) {
      const { state } = await asAdmin((manager) => manager.streams.info(name));
      expect(state.messages).toBe(0);
    }
  });

  it('does not start without its durable, and names it', async () => {
    await serve(permissions(stream));
    await provision();
    await asAdmin((manager) => manager.consumers.delete(stream.name, DURABLE));
    await expect(start()).rejects.toThrow(`stream ${stream.name} has no durable "${DURABLE}"`);
  });

  it('does not start without its dead-letter stream, and names the subject', async () => {
    await serve(permissions(stream));
    await provision();
    await asAdmin((manager) => manager.streams.delete(`${stream.name}_DLQ`));
    await expect(start()).rejects.toThrow(`no stream holds "${stream.deadLetterSubject}"`);
  });

  it('does not start without a permission, and names the subject of each', async () => {
    const needed = permissions(stream).filter((subject) => subject !== stream.subject('out'));
    await serve(needed);
    await provision();
    await server?.stop();
    for (const missing of needed) {
      await serve(needed.filter((subject) => subject !== missing));
      await provision();
      const failure = await start().then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(TopologyUnavailableError);
      const { subject = '' } = failure as TopologyUnavailableError;
      expect(subject.startsWith(missing.replace(/>$/, ''))).toBe(true);
      await server?.stop();
    }
    server = undefined;
  });

  it('says which durable it lost while it ran, and goes on when it is back', async () => {
    await serve(permissions(stream));
    await provision();
    const { server: transport } = await start();
    await asAdmin((manager) => manager.consumers.delete(stream.name, DURABLE));
    await waitFor('the stall', () =>
      transport.liveness().some(({ consumer, state }) => consumer === DURABLE && state === 'stalled'),
    );
    await provision();
    await asAdmin((manager) => manager.jetstream().publish(stream.subject('in'), '"again"'));
    await waitFor('the message', () => handled.includes('again:1'));
  });
});
