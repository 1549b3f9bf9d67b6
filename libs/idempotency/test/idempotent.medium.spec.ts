import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  IdempotencyModule,
  Idempotent,
  MemoryInbox,
  PostgresInbox,
  Tx,
  type Inbox,
} from '@slipstream/idempotency';
import {
  connectJetStream,
  EventPattern,
  JetStreamBatchContext,
  JetStreamContext,
  JetStreamModule,
  JetStreamPublisher,
  type SettledDelivery,
} from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';
import { EntityManager } from 'typeorm';
import { createInboxDatabase, type InboxDatabase } from './postgres.harness.js';

interface Event {
  readonly id: string;
  readonly text?: string;
}

const root = uniqueName('events');
const stream = { name: root.toUpperCase(), subjects: [`${root}.>`], deadLetterSubject: `${root}dlq` };

describe('@Idempotent', () => {
  let database: InboxDatabase;
  let app: INestApplication | undefined;
  let settled: SettledDelivery[];
  let subject: string;

  const start = async (controller: Type, inbox: Inbox<unknown> = new PostgresInbox(database.dataSource)) => {
    const module = await Test.createTestingModule({
      imports: [
        JetStreamModule.forRoot({
          service: 'test',
          connection: { servers: natsUrl() },
          streams: [stream],
          codec: {
            decode: ({ data }) => {
              const payload = JSON.parse(Buffer.from(data).toString()) as Event;
              return { payload, messageId: payload.id };
            },
          },
          observer: { settled: (delivery) => settled.push(delivery), published: () => undefined },
        }),
        IdempotencyModule.forRootAsync({
          repository: inbox.constructor as Type<Inbox<unknown>>,
          useFactory: () => inbox,
        }),
      ],
      controllers: [controller],
    }).compile();
    app = module.createNestApplication(new FastifyAdapter(), { logger: false });
    connectJetStream(app);
    await app.init();
    await app.startAllMicroservices();
    return app.get(JetStreamPublisher);
  };
  const publish = async (publisher: JetStreamPublisher, ...events: Event[]) => {
    for (const event of events) {
      await publisher.publish({ subject, data: Buffer.from(JSON.stringify(event)) });
    }
  };
  const effects = async () => {
    const rows: { id: string }[] = await database.dataSource.query('SELECT id FROM effects');
    return rows.map(({ id }) => id).toSorted();
  };

  beforeAll(async () => {
    database = await createInboxDatabase();
  });

  beforeEach(async () => {
    settled = [];
    subject = `${root}.${uniqueName('s')}`;
    await database.dataSource.query('TRUNCATE effects');
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
  });

  afterAll(() => database.drop());

  it('calls a handler once for a message that comes again, in its transaction, and dead-letters another body', async () => {
    @Controller()
    class EffectsController {
      @EventPattern(subject, { durable: uniqueName('d'), concurrency: 1 })
      @Idempotent('in-transaction')
      async on(@Payload() event: Event, @Tx() tx: EntityManager): Promise<void> {
        await tx.query('INSERT INTO effects VALUES ($1)', [event.id]);
      }
    }
    const publisher = await start(EffectsController);
    await publish(publisher, { id: 'a' }, { id: 'a' }, { id: 'a', text: 'another' }, { id: 'b' });
    await waitFor('all to be settled', () => settled.length === 4);
    expect(await effects()).toEqual(['a', 'b']);
    expect(settled.map(({ outcome }) => outcome).toSorted()).toEqual([
      'dead-lettered',
      'handled',
      'handled',
      'handled',
    ]);
    expect(settled.find(({ outcome }) => outcome === 'dead-lettered')?.error).toMatchObject({
      name: 'MessageConflictError',
    });
  });

  it('undoes what a handler wrote that asks to be tried again', async () => {
    let calls = 0;
    @Controller()
    class RetryingController {
      @EventPattern(subject, { durable: uniqueName('d') })
      @Idempotent('in-transaction')
      async on(
        @Payload() event: Event,
        @Ctx() context: JetStreamContext,
        @Tx() tx: EntityManager,
      ): Promise<void> {
        await tx.query('INSERT INTO effects VALUES ($1)', [event.id]);
        if (++calls === 1) context.retry({ delayMs: 10 });
      }
    }
    await publish(await start(RetryingController), { id: 'retried' });
    await waitFor('it to be handled', () => settled.some(({ outcome }) => outcome === 'handled'));
    expect({ calls, effects: await effects() }).toEqual({ calls: 2, effects: ['retried'] });
  });

  it('gives a batch handler what is new of its batch, context and payloads alike', async () => {
    const batches: string[][] = [];
    @Controller()
    class BatchController {
      @EventPattern(subject, {
        durable: uniqueName('d'),
        concurrency: 1,
        batch: { size: 4, lingerMs: 2_000 },
      })
      @Idempotent('in-transaction')
      async on(
        @Payload() events: Event[],
        @Ctx() { messages }: JetStreamBatchContext,
        @Tx() tx: EntityManager,
      ): Promise<void> {
        batches.push(messages.map(({ messageId }) => messageId));
        await tx.query('INSERT INTO effects SELECT unnest($1::text[])', [events.map(({ id }) => id)]);
      }
    }
    const publisher = await start(BatchController);
    await publish(publisher, { id: '1' }, { id: '2' }, { id: '1' }, { id: '3' });
    await waitFor('the first batch', () => settled.length === 4);
    await publish(publisher, { id: '3' }, { id: '4' }, { id: '4', text: 'another' }, { id: '5' });
    await waitFor('the second batch', () => settled.length === 8);
    expect(await effects()).toEqual(['1', '2', '3', '4', '5']);
    expect(batches[0]).toEqual(['1', '2', '3']);
    expect(settled.filter(({ outcome }) => outcome === 'dead-lettered')).toHaveLength(1);
  });

  it('calls a handler that may repeat under a lease', async () => {
    const calls: string[] = [];
    @Controller()
    class CacheController {
      @EventPattern(subject, { durable: uniqueName('d'), concurrency: 1 })
      @Idempotent('may-repeat')
      on(@Payload() event: Event): void {
        calls.push(event.id);
      }
    }
    await publish(await start(CacheController, new MemoryInbox()), { id: 'm' }, { id: 'm' });
    await waitFor('both to be settled', () => settled.length === 2);
    expect(calls).toEqual(['m']);
  });

  describe('refuses to start', () => {
    const transactional = (): Type => {
      @Controller()
      class TransactionalController {
        @EventPattern(`${root}.x`, { durable: 'd' })
        @Idempotent('in-transaction')
        on(@Tx() tx: EntityManager): unknown {
          return tx;
        }
      }
      return TransactionalController;
    };

    it('a handler in a transaction without an inbox that has one', async () => {
      await expect(start(transactional(), new MemoryInbox())).rejects.toThrow(
        'TransactionalController.on: only PostgresInbox has a transaction; choose it',
      );
    });

    it('a handler that does not take the transaction its effects are to be in', async () => {
      @Controller()
      class ForgetfulController {
        @EventPattern(`${root}.x`, { durable: 'd' })
        @Idempotent('in-transaction')
        on(): void {}
      }
      await expect(start(ForgetfulController)).rejects.toThrow('add a parameter @Tx()');
    });

    it('a transaction where nobody opens one', async () => {
      @Controller()
      class UndecoratedController {
        @EventPattern(`${root}.x`, { durable: 'd' })
        on(@Tx() tx: EntityManager): unknown {
          return tx;
        }
      }
      await expect(start(UndecoratedController)).rejects.toThrow("add @Idempotent('in-transaction')");
    });

    it('a request handler and a route', async () => {
      @Controller()
      class RequestController {
        @MessagePattern('request')
        @Idempotent('may-repeat')
        on(): void {}
      }
      @Controller()
      class RouteController {
        @Get()
        @Idempotent('may-repeat')
        on(): void {}
      }
      await expect(start(RequestController)).rejects.toThrow('@Idempotent is for event handlers');
      await app?.close();
      await expect(start(RouteController)).rejects.toThrow('@Idempotent is for event handlers');
    });

    it('a handler whose every process must see every message', async () => {
      @Controller()
      class BroadcastController {
        @EventPattern(`${root}.x`, { durable: 'd', delivery: 'broadcast' })
        @Idempotent('may-repeat')
        on(): void {}
      }
      await expect(start(BroadcastController)).rejects.toThrow('remove @Idempotent or the delivery');
    });

    it('a handler in an application without an inbox', async () => {
      const compiled = Test.createTestingModule({ controllers: [transactional()] }).compile();
      await expect(compiled).rejects.toThrow('import IdempotencyModule.forRootAsync');
    });
  });
});
