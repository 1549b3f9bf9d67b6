import { Injectable } from '@nestjs/common';
import type { EventBase, OrderCancelled, OrderCreated } from '@slipstream/contracts';
import { PostgresInbox, type MessageIdentity } from '@slipstream/idempotency';
import { DataSource } from 'typeorm';
import { OrderEndings } from './order-endings.js';
import { OrderMetrics } from './order-metrics.js';
import { OrdersRepository, type OrderFacts, type OrderState } from './orders.repository.js';

/** An event of another service, as a fact about its order. */
export interface Advance<Event extends EventBase> {
  /** Name of the event for the order's history. */
  readonly event: string;
  readonly toFacts?: (event: Event) => Omit<OrderFacts, 'orderId'>;
}

/** Orders given up in one transaction. */
const EXPIRY_BATCH = 500;

/** Moves orders on: `pending` until an order is both paid and reserved, or one of them failed, or its time is over. */
@Injectable()
export class SagaService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly orders: OrdersRepository,
    private readonly inbox: PostgresInbox,
    private readonly endings: OrderEndings,
    private readonly metrics: OrderMetrics,
  ) {}

  /**
   * Registers orders another producer published. `messages[i]` brought `orders[i]`. Ours were registered before they were
   * published; only the table says so: anybody may name us as the source, and a database may have been set back.
   */
  async register(orders: readonly OrderCreated[], messages: readonly MessageIdentity[]): Promise<void> {
    const known = await this.orders.registered(orders.map(({ orderId }) => orderId));
    const isUnknown = orders.map(({ orderId }) => !known.has(orderId));
    const unknown = orders.filter((_, index) => isUnknown[index]);
    if (unknown.length === 0) return;
    const bringers = messages.filter((_, index) => isUnknown[index]);
    // Replaced, not added to: a transaction that is repeated runs this again.
    let settled: readonly OrderState[] = [];
    await this.inbox.onceEach(bringers, async (tx, fresh) => {
      const byId = new Map<string, OrderCreated>();
      for (const order of firstCopies(unknown, fresh)) {
        if (!byId.has(order.orderId)) byId.set(order.orderId, order);
      }
      if (byId.size === 0) return;
      const registered = await this.orders.register(tx, [...byId.values()]);
      const created = registered.map(({ orderId }) => ({
        orderId,
        event: 'orders.created',
        messageId: byId.get(orderId)?.messageId ?? '',
      }));
      // An order that was cancelled before it was known had its event then; registration can only confirm.
      settled = registered.filter(({ status }) => status === 'confirmed');
      await this.endings.record(tx, settled, created);
    });
    this.metrics.settled(settled);
  }

  /** Takes note of events about orders, some of which they may settle. `messages[i]` brought `events[i]`. */
  async advance<Event extends EventBase>(
    events: readonly Event[],
    messages: readonly MessageIdentity[],
    { event: name, toFacts }: Advance<Event>,
  ): Promise<void> {
    let settled: readonly OrderState[] = [];
    await this.inbox.onceEach(messages, async (tx, fresh) => {
      const news = firstCopies(events, fresh);
      if (news.length === 0) return;
      const facts = toFacts
        ? foldFacts(news.map((event) => ({ ...toFacts(event), orderId: event.orderId })))
        : [];
      const moved = facts.length > 0 ? await this.orders.record(tx, facts) : [];
      const received = news.map(({ orderId, messageId }) => ({ orderId, event: name, messageId }));
      settled = moved.filter(({ status }) => status !== 'pending');
      await this.endings.record(tx, settled, received);
    });
    this.metrics.settled(settled);
  }

  /**
   * Cancels orders that this database takes for pending although they were cancelled, because it was set back since. That was
   * announced then: payment and inventory have heard of it, or are sent it again as well.
   */
  async recall(cancelled: readonly OrderCancelled[]): Promise<void> {
    const byId = new Map<string, OrderCancelled>();
    for (const event of cancelled) if (!byId.has(event.orderId)) byId.set(event.orderId, event);
    await this.dataSource.transaction(async (tx) => {
      const recalled = await this.orders.recall(tx, [...byId.values()]);
      const received = recalled.map(({ orderId }) => ({
        orderId,
        event: 'orders.cancelled',
        messageId: byId.get(orderId)?.messageId ?? '',
      }));
      await this.endings.record(tx, [], received);
    });
  }

  /**
   * Cancels orders that have been pending for longer than `ageMs`; payment and inventory give back what they hold.
   * Several processes may do this at once.
   * @returns how many orders were cancelled; call again while there are any
   */
  async expire(ageMs: number): Promise<number> {
    const expired = await this.dataSource.transaction(async (tx) => {
      const reason = `not settled within ${Math.round(ageMs / 1_000)} s`;
      const orders = await this.orders.expire(tx, ageMs, reason, EXPIRY_BATCH);
      await this.endings.record(tx, orders, []);
      return orders;
    });
    this.metrics.settled(expired);
    return expired.length;
  }
}

/** What is new to the consumer, each message once: a batch may hold a message twice. */
function firstCopies<Event extends EventBase>(events: readonly Event[], fresh: ReadonlySet<string>): Event[] {
  const expected = new Set(fresh);
  return events.filter(({ messageId }) => expected.delete(messageId));
}

/** One entry for each order; of each kind of fact the first counts, as it does in the table. */
export function foldFacts(facts: readonly OrderFacts[]): OrderFacts[] {
  const byOrder = new Map<string, OrderFacts>();
  for (const fact of facts) {
    const known = byOrder.get(fact.orderId);
    byOrder.set(fact.orderId, {
      orderId: fact.orderId,
      payment: known?.payment ?? fact.payment,
      inventory: known?.inventory ?? fact.inventory,
      reason: known?.reason ?? fact.reason,
    });
  }
  return [...byOrder.values()];
}
