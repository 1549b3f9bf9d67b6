import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { Actor, SecureServer } from './secure-server.ts';

const STREAMS = ['ORDERS', 'PAYMENTS', 'INVENTORY'] as const;
const LETTERS = { ORDERS: 'orders.dlq', PAYMENTS: 'payments.dlq', INVENTORY: 'inventory.dlq' } as const;

const EVENTS = {
  'order-service': ['orders.created.v1', 'orders.created.v2', 'orders.confirmed.v1', 'orders.cancelled.v1'],
  'payment-service': ['payments.completed.v1', 'payments.failed.v1', 'payments.refunded.v1'],
  'inventory-service': ['inventory.reserved.v1', 'inventory.rejected.v1', 'inventory.released.v1'],
  'audit-service': [],
} as const satisfies Record<string, readonly string[]>;

const DURABLES = {
  'order-service': ['ORDERS.order-intake', 'PAYMENTS.order-payments', 'INVENTORY.order-inventory'],
  'payment-service': ['ORDERS.payment-orders'],
  'inventory-service': ['ORDERS.inventory-orders'],
  'audit-service': ['ORDERS.audit-orders', 'PAYMENTS.audit-payments', 'INVENTORY.audit-inventory'],
} as const satisfies Record<string, readonly string[]>;

const SERVICES = Object.keys(EVENTS) as (keyof typeof EVENTS)[];
/** Who operates the system, by hand and in a browser. */
const OPERATORS = ['operator', 'console'];
const OWN_STREAM: Partial<Record<string, string>> = {
  'order-service': 'ORDERS',
  'payment-service': 'PAYMENTS',
  'inventory-service': 'INVENTORY',
};
const foreign = (table: Record<string, readonly string[]>, role: string) =>
  Object.entries(table).flatMap(([owner, names]) => (owner === role ? [] : names));
const redriveOf = (durable: string) => `OPERATIONS.${durable.replace('.', '__')}`;
const next = (durable: string) => `$JS.API.CONSUMER.MSG.NEXT.${durable}`;

/** What changes or removes something, on streams and consumers of whomever. */
function destruction(): string[] {
  const streams = [...STREAMS, ...STREAMS.map((name) => `${name}_DLQ`), 'AUDIT_HEADS', 'OPERATIONS', 'NEW'];
  const durables = foreign(DURABLES, 'nobody');
  return [
    ...streams.flatMap((name) =>
      ['DELETE', 'PURGE', 'MSG.DELETE', 'SNAPSHOT', 'RESTORE', 'LEADER.STEPDOWN', 'PEER.REMOVE'].map(
        (verb) => `$JS.API.STREAM.${verb}.${name}`,
      ),
    ),
    ...durables.flatMap((durable) =>
      ['DELETE', 'RESET', 'LEADER.STEPDOWN', 'UNPIN'].map((verb) => `$JS.API.CONSUMER.${verb}.${durable}`),
    ),
    '$JS.API.ACCOUNT.PURGE.SLIPSTREAM',
  ];
}

function creation(): string[] {
  const durables = foreign(DURABLES, 'nobody');
  return [
    ...[...STREAMS, 'NEW'].flatMap((name) => [
      `$JS.API.STREAM.CREATE.${name}`,
      `$JS.API.STREAM.UPDATE.${name}`,
      `$JS.API.CONSUMER.CREATE.${name}`,
      `$JS.API.CONSUMER.CREATE.${name}.spy`,
      `$JS.API.CONSUMER.DURABLE.CREATE.${name}.spy`,
    ]),
    ...durables.flatMap((durable) => [
      `$JS.API.CONSUMER.CREATE.${durable}`,
      `$JS.API.CONSUMER.CREATE.${durable}.orders.created.v1`,
      `$JS.API.CONSUMER.PAUSE.${durable}`,
    ]),
  ];
}

describe('the permissions', () => {
  let server: SecureServer;
  const actors = new Map<string, Actor>();

  const actor = (role: string): Actor => {
    const found = actors.get(role);
    if (!found) throw new Error(`there is no ${role}`);
    return found;
  };
  /** Those of the subjects that the role may publish on. */
  async function permitted(role: string, subjects: readonly string[]): Promise<string[]> {
    const allowed: string[] = [];
    for (const subject of subjects) if (await actor(role).mayPublish(subject)) allowed.push(subject);
    return allowed;
  }
  async function readable(role: string, subjects: readonly string[]): Promise<string[]> {
    const allowed: string[] = [];
    for (const subject of subjects) if (await actor(role).maySubscribe(subject)) allowed.push(subject);
    return allowed;
  }

  beforeAll(async () => {
    server = await SecureServer.start();
    for (const role of [...SERVICES, 'provisioner', ...OPERATORS, 'system']) {
      actors.set(role, new Actor(await server.connectAs(role)));
    }
  }, 180_000);

  afterAll(async () => {
    await server.stop();
  }, 30_000);

  it('in docker/nats are those that the code declares', async () => {
    const { permissionsOfRoles } = await import('../../apps/system.ts');
    const { serverConfig } = await import('../../apps/cli/src/commands/permissions.ts');
    const committed = readFileSync('docker/nats/permissions.conf', 'utf8');
    expect(committed).toBe(serverConfig(permissionsOfRoles()));
  });

  describe.each(SERVICES)('of %s', (role) => {
    it('let it publish its events, and pull and settle its durables', async () => {
      for (const subject of EVENTS[role]) {
        expect(await actor(role).js.publish(subject, '{}')).toMatchObject({ duplicate: false });
      }
      for (const durable of DURABLES[role]) {
        const [stream = '', name = ''] = durable.split('.');
        const [subject] = Object.values(EVENTS)
          .flat()
          .filter((event) => event.startsWith(stream.toLowerCase()));
        const publisher = SERVICES.find((service) => OWN_STREAM[service] === stream) ?? '';
        await actor(publisher).js.publish(subject ?? '', '{}');
        const inbox = `_INBOX_${role}.pull`;
        const pulled = actor(role).nc.subscribe(inbox, { max: 1 });
        actor(role).nc.publish(next(durable), JSON.stringify({ batch: 1 }), { reply: inbox });
        for await (const message of pulled) {
          expect(message.reply).toContain(`.${durable}.`);
          message.respond('+ACK');
        }
        await actor(role).nc.flush();
        const info = await (await actor(role).manager()).consumers.info(stream, name);
        expect(info.ack_floor.consumer_seq).toBe(1);
      }
    });

    it('let it publish no event of another service', async () => {
      const others = [...foreign(EVENTS, role), 'orders.paid.v1', 'payments.x.y', 'anything'];
      expect(await permitted(role, others)).toEqual([]);
    });

    it('let it ask how far the streams are that it reads or publishes to, and no other log of events', async () => {
      const read = DURABLES[role].map((durable) => durable.split('.')[0] ?? '');
      const known = new Set([...read, OWN_STREAM[role]]);
      const questions = STREAMS.map((name) => `$JS.API.STREAM.INFO.${name}`);
      expect(await permitted(role, questions)).toEqual(
        STREAMS.filter((name) => known.has(name)).map((name) => `$JS.API.STREAM.INFO.${name}`),
      );
    });

    it('let it write dead letters of the streams it reads, and of no other', async () => {
      const read: string[] = STREAMS.filter((name) =>
        DURABLES[role].some((durable) => durable.startsWith(name)),
      );
      const expected = STREAMS.filter((name) => read.includes(name)).map((name) => LETTERS[name]);
      expect(await permitted(role, Object.values(LETTERS))).toEqual(expected);
    });

    it('let it pull and settle no durable of another service, nor what operators send to it', async () => {
      const durables = foreign(DURABLES, role);
      const all = [...durables, ...durables.map(redriveOf), 'ORDERS_DLQ.any', 'ORDERS.spy'];
      expect(await permitted(role, all.map(next))).toEqual([]);
      const acks = all.flatMap((durable) => [
        `$JS.ACK.${durable}.1.1.1.1.0`,
        `$JS.ACK._.hash.${durable}.1.1.1.1.0.rnd`,
      ]);
      expect(await permitted(role, acks)).toEqual([]);
    });

    it('let it create and change nothing', async () => {
      expect(await permitted(role, creation())).toEqual([]);
    });

    it('let it delete and purge nothing', async () => {
      expect(await permitted(role, destruction())).toEqual([]);
    });

    it('let it send nothing to consumers, and count no attempts of others', async () => {
      const others = foreign(DURABLES, role).map((durable) => `$KV.slipstream_attempts.${durable}.1.1`);
      const operations = ['operations.redrive.ORDERS.payment-orders.1', 'operations.discard.ORDERS.x.1'];
      expect(await permitted(role, [...others, ...operations])).toEqual([]);
    });

    it('let it read what streams hold no other way', async () => {
      const streams = [...STREAMS, 'ORDERS_DLQ', 'PAYMENTS_DLQ', 'INVENTORY_DLQ', 'OPERATIONS', 'ADVISORIES'];
      const direct = streams.map((name) => `$JS.API.DIRECT.GET.${name}`);
      const own = OWN_STREAM[role];
      expect(await permitted(role, direct)).toEqual(own ? [`$JS.API.DIRECT.GET.${own}`] : []);
      const single = streams.map((name) => `$JS.API.STREAM.MSG.GET.${name}`);
      // It dead-letters what the server gave up on, of every log of events.
      const swept = role === 'audit-service' ? STREAMS.map((name) => `$JS.API.STREAM.MSG.GET.${name}`) : [];
      expect(await permitted(role, single)).toEqual(swept);
    });

    it('let it listen to answers of its own, and to nothing else', async () => {
      const others = SERVICES.filter((service) => service !== role).map((service) => `_INBOX_${service}.>`);
      const subjects = [
        '>',
        'orders.>',
        'orders.created.v1',
        '$JS.>',
        '$JS.ACK.>',
        '_INBOX.>',
        '$KV.>',
        '$SYS.>',
      ];
      expect(await readable(role, [...subjects, ...others])).toEqual([]);
      expect(await readable(role, [`_INBOX_${role}.a`])).toEqual([`_INBOX_${role}.a`]);
    });
  });

  it('let only audit-service write heads and objects', async () => {
    const subjects = ['audit.heads.ORDERS', '$O.audit-2026-01-01.C.x', '$O.audit-2026-01-01.M.x'];
    for (const role of SERVICES) {
      expect(await permitted(role, subjects)).toEqual(role === 'audit-service' ? subjects : []);
    }
  });

  it('let the provisioner create what is declared, and neither publish, pull, delete nor purge', async () => {
    const events = foreign(EVENTS, 'nobody');
    const durables = foreign(DURABLES, 'nobody');
    const creates = durables.map((durable) => `$JS.API.CONSUMER.CREATE.${durable}`);
    expect(await permitted('provisioner', creates)).toEqual(creates);
    expect(await permitted('provisioner', [...events, ...durables.map(next), ...destruction()])).toEqual([]);
    expect(
      await permitted('provisioner', ['$JS.API.CONSUMER.CREATE.ORDERS.spy', 'operations.redrive.x']),
    ).toEqual([]);
    expect(await readable('provisioner', ['>', 'orders.>', '_INBOX_operator.>'])).toEqual([]);
  });

  it.each(OPERATORS)(
    'let %s read, redrive and pause, and neither publish events nor touch a durable otherwise',
    async (role) => {
      const durables = foreign(DURABLES, 'nobody');
      const work = [
        'operations.redrive.ORDERS.payment-orders.1',
        ...durables.map((durable) => `$JS.API.CONSUMER.PAUSE.${durable}`),
        '$JS.API.STREAM.MSG.DELETE.ORDERS_DLQ',
        '$JS.API.CONSUMER.CREATE.ORDERS_DLQ.reader',
        '$JS.API.CONSUMER.MSG.NEXT.ORDERS_DLQ.reader',
      ];
      expect(await permitted(role, work)).toEqual(work);
      const all = [...durables, ...durables.map(redriveOf)];
      const others = [
        ...foreign(EVENTS, 'nobody'),
        ...all.map(next),
        ...all.flatMap((durable) => [
          `$JS.API.CONSUMER.CREATE.${durable}`,
          `$JS.API.CONSUMER.CREATE.${durable}.a`,
          `$JS.API.CONSUMER.DURABLE.CREATE.${durable}`,
          `$JS.ACK.${durable}.1.1.1.1.0`,
        ]),
        ...destruction().filter((subject) => !/MSG\.DELETE\.\w+_DLQ$/.test(subject)),
        ...STREAMS.map((name) => `$JS.API.STREAM.UPDATE.${name}`),
      ];
      expect(await permitted(role, others)).toEqual([]);
      const inboxes = OPERATORS.filter((other) => other !== role).map((other) => `_INBOX_${other}.>`);
      expect(await readable(role, ['orders.>', '$JS.>', ...inboxes])).toEqual([]);
    },
  );

  it('let whoever looks after the servers see no stream', async () => {
    const ask = async (subject: string) =>
      (await actor('system').nc.request(subject, '', { timeout: 5_000 })).json<Record<string, unknown>>();
    expect(await ask('$JS.API.STREAM.INFO.ORDERS')).toHaveProperty('error');
    expect(await ask('$SYS.REQ.SERVER.PING')).toHaveProperty('server');
  });
});
