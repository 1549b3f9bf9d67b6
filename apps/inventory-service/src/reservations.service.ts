import { Injectable } from '@nestjs/common';
import {
  inventoryRejectedV1,
  inventoryReleasedV1,
  inventoryReservedV1,
  newEvent,
  EventEncoder,
  type EncodedEvent,
  type OrderCancelled,
  type OrderCreated,
} from '@slipstream/contracts';
import { PostgresInbox, type MessageIdentity } from '@slipstream/idempotency';
import { Outbox } from '@slipstream/outbox';
import { StockRepository, type Reservation } from './stock.repository.js';

@Injectable()
export class ReservationsService {
  constructor(
    private readonly stock: StockRepository,
    private readonly inbox: PostgresInbox,
    private readonly outbox: Outbox,
    private readonly events: EventEncoder,
  ) {}

  /** Reserves every line of an order or none of them, order by order. `messages[i]` brought `orders[i]`. */
  async reserve(orders: readonly OrderCreated[], messages: readonly MessageIdentity[]): Promise<void> {
    await this.inbox.onceEach(messages, async (tx, fresh) => {
      const wanted = orders.filter((order) => fresh.has(order.messageId));
      // A second created event of an order, or one that arrives after the cancellation, finds its row taken.
      const opened = await this.stock.openReservations(tx, wanted, 'reserved');
      const { missing, move } = await this.stock.take(tx, opened);
      await this.stock.reject(tx, [...missing.keys()]);
      await this.outbox.append(
        tx,
        opened.map((order) => this.outcomeOf(order, missing.get(order.orderId))),
        move,
      );
    });
  }

  /** Gives the stock of cancelled orders back; an order not reserved yet never will be. */
  async release(orders: readonly OrderCancelled[], messages: readonly MessageIdentity[]): Promise<void> {
    await this.inbox.onceEach(messages, async (tx, fresh) => {
      const cancelled = orders.filter((order) => fresh.has(order.messageId));
      await this.stock.openReservations(
        tx,
        cancelled.map(({ orderId }) => ({ orderId, lines: [] })),
        'released',
      );
      const released = await this.stock.releaseReservations(
        tx,
        cancelled.map(({ orderId }) => orderId),
      );
      const move = await this.stock.giveBack(tx, released);
      await this.outbox.append(
        tx,
        released.map(({ orderId }) => this.events.encode(inventoryReleasedV1, newEvent(orderId))),
        move,
      );
    });
  }

  private outcomeOf({ orderId, lines }: Reservation, missingSku: string | undefined): EncodedEvent {
    if (missingSku === undefined) {
      return this.events.encode(inventoryReservedV1, { ...newEvent(orderId), lines });
    }
    const reason = `too few pieces of ${missingSku}`;
    return this.events.encode(inventoryRejectedV1, { ...newEvent(orderId), reason });
  }
}
