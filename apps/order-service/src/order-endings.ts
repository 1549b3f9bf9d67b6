import { Injectable } from '@nestjs/common';
import {
  EventEncoder,
  newEvent,
  orderCancelledV1,
  orderConfirmedV1,
  type EncodedEvent,
} from '@slipstream/contracts';
import { Outbox } from '@slipstream/outbox';
import type { EntityManager } from 'typeorm';
import { OrdersRepository, type HistoryEntry, type OrderState } from './orders.repository.js';

/** Tells how orders ended. */
@Injectable()
export class OrderEndings {
  constructor(
    private readonly orders: OrdersRepository,
    private readonly outbox: Outbox,
    private readonly events: EventEncoder,
  ) {}

  /** Publishes how orders ended and writes it into their history, after the events that brought it about. */
  async record(
    tx: EntityManager,
    settled: readonly OrderState[],
    received: readonly HistoryEntry[],
  ): Promise<void> {
    const closings = settled.map((state) => this.closingOf(state));
    const entries = [...received, ...closings.map(({ entry }) => entry)];
    if (entries.length === 0) return;
    await this.outbox.append(
      tx,
      closings.map(({ event }) => event),
      this.orders.remember(entries),
    );
  }

  private closingOf({ orderId, status, reason }: OrderState): { entry: HistoryEntry; event: EncodedEvent } {
    const base = newEvent(orderId);
    const [contract, event] =
      status === 'confirmed'
        ? [orderConfirmedV1, this.events.encode(orderConfirmedV1, base)]
        : [orderCancelledV1, this.events.encode(orderCancelledV1, { ...base, reason: reason ?? 'unknown' })];
    return { entry: { orderId, event: contract.name, messageId: base.messageId }, event };
  }
}
