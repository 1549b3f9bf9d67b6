import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, headers as createHeaders, type NatsConnection } from '@nats-io/transport-node';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandLine } from './command-line.ts';

// Every command is a process that loads its libraries, also on a machine that does something else.
jest.setTimeout(240_000);

describe('the command line', () => {
  let commands: CommandLine;
  let nc: NatsConnection;
  let manager: JetStreamManager;

  const cli = (...call: Parameters<CommandLine['run']>) => commands.run(...call);
  const json = (...args: string[]) => commands.json(...args);

  /** A dead letter as the transport writes it. Returns its id. */
  async function deadLetter(
    body: string,
    consumer = 'payment-orders',
    code = 'GATEWAY_DOWN',
  ): Promise<string> {
    const headers = createHeaders();
    const described = {
      code,
      class: 'GatewayError',
      message: 'no answer',
      stack: 'GatewayError: no answer\\n  at charge',
      stream: 'ORDERS',
      sequence: '7',
      consumer,
      subject: 'orders.created.v1',
      attempts: '15',
      'first-at': new Date().toISOString(),
      'last-at': new Date().toISOString(),
      service: 'payment-service',
    };
    for (const [name, value] of Object.entries(described)) headers.set(`dead-letter-${name}`, value);
    headers.set('ce-id', 'message-1');
    const { seq } = await jetstream(nc).publish('orders.dlq', body, { headers });
    return `ORDERS:${seq}`;
  }

  async function messages(stream: string): Promise<number> {
    return (await manager.streams.info(stream)).state.messages;
  }

  beforeAll(async () => {
    commands = await CommandLine.start();
    nc = await connect({ servers: commands.natsUrl });
    manager = await jetstreamManager(nc);
  }, 300_000);

  afterAll(async () => {
    await nc.close();
    await commands.stop();
  });

  it('says what services handle without a server', async () => {
    const { code, stdout } = await cli(['describe'], { NATS_URL: 'nats://localhost:1' });
    expect(code).toBe(0);
    for (const service of ['order-service', 'payment-service', 'inventory-service', 'audit-service']) {
      expect(stdout).toContain(service);
    }
    expect(stdout).toMatch(
      /payment-orders\n\s+reads\s+orders\.created\.\*, orders\.cancelled\.\* from ORDERS/,
    );
    expect(stdout).toContain('pulled from durable "payment-orders", shared by all processes');
    expect(stdout).toContain('then the dead-letter stream');
  });

  it('ends with 1 and one sentence when there is no server', async () => {
    const { code, stdout, stderr } = await cli(['streams', 'ls', '--server', 'nats://localhost:1']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^slipstream: NATS at nats:\/\/localhost:1 cannot be used: connection refused\. .*\n$/,
    );
  });

  it('ends with 2 when it is called wrongly, and names what is wrong', async () => {
    const [unknown, unclear] = await Promise.all([cli(['nonsense']), cli(['dlq', 'redrive'])]);
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      expect.stringContaining("unknown command 'nonsense'"),
    ]);
    expect([unclear.code, unclear.stderr]).toEqual([2, expect.stringContaining('Give one id, or --all')]);
  });

  it('ends with 3 while the server differs from the code, and with 0 after it was applied', async () => {
    const [differing, plan] = await Promise.all([cli(['streams', 'check']), json('streams', 'plan')]);
    expect(differing.code).toBe(3);
    expect(plan).toMatchObject({ code: 0, version: 1, kind: 'streams.plan' });
    expect(plan.data.changes).toContainEqual(
      expect.objectContaining({
        class: 'safe',
        action: 'create',
        stream: 'ORDERS',
        consumer: 'payment-orders',
      }),
    );
    const applied = await json('streams', 'apply');
    expect(applied).toMatchObject({ code: 0, kind: 'streams.apply', data: { left: [] } });
    const { code, stdout } = await cli(['streams', 'check']);
    expect([code, stdout]).toEqual([0, 'The server is as declared.\n']);
  });

  it('tells apart what it applies, what it asks for and what it never does', async () => {
    const env = { STREAM_MAX_AGE: '14d' };
    const [check, apply, unasked] = await Promise.all([
      cli(['streams', 'check'], env),
      cli(['streams', 'apply'], env),
      cli(['streams', 'apply', '--migrate'], env),
    ]);
    expect(check.stdout).toContain('needs-migration\tstream ORDERS: max age unlimited → 14 d');
    expect(apply.stdout).toContain('left (needs-migration): stream ORDERS');
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    expect((await cli(['streams', 'apply', '--migrate', '--yes'], env)).code).toBe(0);
    expect((await manager.streams.info('ORDERS')).config.max_age).toBe(14 * 86_400e9);
    expect((await cli(['streams', 'apply'])).code).toBe(0);
    await manager.streams.update('ORDERS', { subjects: ['orders.*.*', 'foreign'] });
    expect((await cli(['streams', 'apply', '--migrate', '--yes'])).stdout).toContain('left (refused)');
    await manager.streams.update('ORDERS', { subjects: ['orders.*.*'] });
  });

  it('prints tab-separated lines without a terminal', async () => {
    const { code, stdout } = await cli(['streams', 'ls']);
    const [head, ...lines] = stdout.trimEnd().split('\n');
    expect(code).toBe(0);
    expect(head?.split('\t').slice(0, 3)).toEqual(['stream', 'messages', 'bytes']);
    expect(lines.map((line) => line.split('\t')[0])).toContain('ORDERS');
    expect(stdout).not.toContain('\u001b');
  });

  it('lists, groups and shows dead letters', async () => {
    const id = await deadLetter('{"order":1}');
    await deadLetter('{"order":2}', 'inventory-orders', 'OUT_OF_STOCK');
    const [page, grouped, shown, told] = await Promise.all([
      json('dlq', 'ls', '--stream', 'ORDERS', '--consumer', 'payment-orders'),
      json('dlq', 'ls', '--group'),
      json('dlq', 'show', id),
      cli(['dlq', 'show', id]),
    ]);
    expect(page).toMatchObject({
      code: 0,
      kind: 'dlq.ls',
      data: {
        letters: [{ id, consumer: 'payment-orders', sequence: 7, bytes: 11, attempts: 15 }],
        next: null,
      },
    });
    expect(grouped.data.groups).toHaveLength(2);
    expect(shown.data).toMatchObject({
      headers: { 'ce-id': ['message-1'] },
      body: { kind: 'json', value: { order: 1 } },
    });
    expect(told.stdout).toContain('  at charge');
  });

  it('redrives one dead letter, records who and why, and ends with 4 when it is repeated', async () => {
    const id = await deadLetter('{"order":3}');
    const before = await messages('OPERATIONS');
    const done = await json('dlq', 'redrive', id, '--by', 'ann', '--reason', 'gateway is back');
    expect(done).toMatchObject({ code: 0, kind: 'dlq.redrive', data: { done: 1, already: 0, failed: [] } });
    const { state } = await manager.streams.info('OPERATIONS');
    const record = await manager.streams.getMessage('OPERATIONS', { seq: state.last_seq });
    expect(state.messages).toBe(before + 1);
    expect(record?.subject).toContain('operations.redrive.ORDERS.payment-orders.');
    expect(record?.header.get('operation-by')).toBe('ann');
    expect(record?.header.get('operation-reason')).toBe('gateway is back');
    const again = await cli(['dlq', 'redrive', id]);
    expect([again.code, again.stderr]).toEqual([4, expect.stringContaining(`no dead letter ${id}`)]);
  });

  it('redrives an edited body from a file', async () => {
    const id = await deadLetter('{"order":"wrong"}');
    const file = join(commands.directory, 'body.json');
    writeFileSync(file, '{"order":"right"}');
    expect((await cli(['dlq', 'redrive', id, '--body', file])).code).toBe(0);
    const { state } = await manager.streams.info('OPERATIONS');
    const record = await manager.streams.getMessage('OPERATIONS', { seq: state.last_seq });
    expect(record?.string()).toBe('{"order":"right"}');
  });

  it('does nothing destructive unasked', async () => {
    const id = await deadLetter('{"order":4}');
    const left = await messages('ORDERS_DLQ');
    const unasked = await Promise.all([
      cli(['dlq', 'discard', id]),
      cli(['dlq', 'discard', '--all']),
      cli(['dlq', 'redrive', '--all']),
    ]);
    for (const { code, stderr } of unasked) {
      expect([code, stderr]).toEqual([2, expect.stringContaining('Add --yes')]);
    }
    expect(await messages('ORDERS_DLQ')).toBe(left);
    expect((await cli(['dlq', 'discard', id, '--yes'])).code).toBe(0);
    expect(await messages('ORDERS_DLQ')).toBe(left - 1);
  });

  it('ends with 1 when some of many could not be redriven, and names them', async () => {
    const stuck = await deadLetter('{"order":5}', 'unknown-consumer');
    await deadLetter('{"order":6}');
    const result = await json('dlq', 'redrive', '--all', '--yes');
    expect(result.code).toBe(1);
    expect(result.data.failed).toMatchObject([{ id: stuck, code: 'OPERATIONS_NO_REDRIVE_CONSUMER' }]);
    expect((result.data.done as number) > 0).toBe(true);
    expect(await messages('ORDERS_DLQ')).toBe(1);
  });

  it('pauses and resumes a consumer', async () => {
    const [paused, unknown] = await Promise.all([
      json('pause', 'ORDERS', 'payment-orders', '--for', '10min'),
      cli(['pause', 'ORDERS', 'nobody', '--for', '10min']),
    ]);
    expect(paused).toMatchObject({ code: 0, kind: 'consumer', data: { name: 'payment-orders' } });
    expect(Date.parse(String(paused.data.pausedUntil))).toBeGreaterThan(Date.now());
    expect((await cli(['consumers', 'ORDERS'])).stdout).toContain(String(paused.data.pausedUntil));
    expect((await cli(['resume', 'ORDERS', 'payment-orders'])).stdout).toBe(
      'payment-orders on ORDERS is not paused; 0 messages wait.\n',
    );
    expect([unknown.code, unknown.stderr]).toEqual([4, expect.stringContaining('payment-orders')]);
  });

  it('counts a replay first and sends it when told to', async () => {
    for (let order = 0; order < 3; order++)
      await jetstream(nc).publish('orders.created.v1', `{"order":${order}}`);
    const before = await messages('OPERATIONS');
    const counted = await json('replay', 'ORDERS', 'payment-orders');
    expect(counted).toMatchObject({ code: 0, kind: 'replay', data: { messages: 3, sent: false } });
    expect(await messages('OPERATIONS')).toBe(before);
    const sent = await json('replay', 'ORDERS', 'payment-orders', '--send', '--yes', '--run', 'night');
    expect(sent.data).toMatchObject({ messages: 3, already: 0, run: 'night', sent: true });
    const again = await json('replay', 'ORDERS', 'payment-orders', '--send', '--yes', '--run', 'night');
    expect(again.data).toMatchObject({ messages: 3, already: 3 });
    expect(await messages('OPERATIONS')).toBe(before + 3);
  });

  it('tells a failure as JSON on standard error', async () => {
    const { code, stdout, stderr } = await cli(['consumers', 'NONE', '--json']);
    expect([code, stdout]).toEqual([4, '']);
    expect(JSON.parse(stderr)).toEqual({
      version: 1,
      kind: 'error',
      data: {
        code: 'OPERATIONS_NOT_FOUND',
        message: 'there is no stream NONE',
        nextStep: expect.stringContaining('ORDERS'),
      },
    });
  });
});
