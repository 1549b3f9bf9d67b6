import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { waitFor } from '@slipstream/testing';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { EventPattern, JetStreamConnection } from '@slipstream/jetstream';
import { Bystander, startTestApp, testStream, type TestApp } from './harness.js';
import { startNatsServer, type TestNatsServer } from './nats-server.js';
import { Traffic } from './traffic.js';

const NODES = 3;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function startCluster(): Promise<TestNatsServer[]> {
  const ports = await Promise.all(Array.from({ length: NODES }, freePort));
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  const binary = process.env['NATS_SERVER_BIN'] ?? 'nats-server';
  return Promise.all(
    ports.map((port, index) =>
      startNatsServer(
        binary,
        `server_name: n${index}\ncluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
      ),
    ),
  );
}

describe('on a cluster of three servers', () => {
  const stream = testStream();
  const seen = new Set<unknown>();
  let nodes: TestNatsServer[] = [];
  let bystander: Bystander;
  let running: TestApp;

  @Controller()
  class Counting {
    @EventPattern(stream.subject('a'), { durable: 'counting', ackWaitMs: 2_000 })
    on(@Payload() payload: unknown): void {
      seen.add(payload);
    }
  }

  beforeAll(async () => {
    nodes = await startCluster();
    const servers = nodes.map(({ url }) => url);
    bystander = await Bystander.connect(servers);
    await waitFor('the cluster to have a leader', () => bystander.isJetStreamReady(), 30_000);
    running = await startTestApp(stream, [Counting], { connection: { servers }, replicas: 3 });
  }, 90_000);

  afterAll(async () => {
    await running.app.close();
    await bystander.close();
    await Promise.all(nodes.map((node) => node.stop()));
  }, 30_000);

  it('nothing is lost while leaders step down and the node it is connected to is killed', async () => {
    const traffic = new Traffic(bystander, stream.subject('a'));
    const work = async () => {
      const before = traffic.count;
      await waitFor('work', () => traffic.count > before + 50 && seen.size > before + 50, 30_000);
    };
    await work();
    for (let round = 0; round < 2; round++) {
      await bystander.nc.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream.name}`, '{}');
      await work();
      await bystander.nc.request(`$JS.API.CONSUMER.LEADER.STEPDOWN.${stream.name}.counting`, '{}');
      await work();
    }
    const { nc } = running.app.get(JetStreamConnection);
    const connected = nodes.find(({ url }) => url.endsWith(nc.getServer().split(':').at(-1) ?? ''));
    await connected?.restart();
    await work();
    const published = await traffic.stop();
    await waitFor('everything', () => seen.size === published, 30_000);
    expect([...seen].toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: published }, (_, n) => n),
    );
  }, 120_000);
});
