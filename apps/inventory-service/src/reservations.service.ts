import { Injectable } from '@nestjs/common';
import {
  encodeEvent,
  inventoryRejectedV1,
  inventoryReleasedV1,
  inventoryReservedV1,
  newEvent,
  type OrderCancelled,
  type OrderCreated,
} from '@slipstream/contracts';
import { IdempotencyRepository, type MessageIdentity } from '@slipstream/idempotency';
import { Outbox } from '@slipstream/outbox';
import { StockRepository } from './stock.repository.js';

const SOURCE = 'inventory-service';

@Injectable()
export class ReservationsService {
  constructor(
    private readonly stock: StockRepository,
    private readonly inbox: IdempotencyRepository,
    private readonly outbox: Outbox,
  ) {}

  /** Reserves every line of an order or none of them. */
  async reserve(order: OrderCreated, message: MessageIdentity): Promise<void> {
    await this.inbox.once(message, async (tx) => {
      const { orderId, lines } = order;
      // A second created event of the order, or one that arrives after the cancellation, finds its row taken.
      if (!(await this.stock.openReservation(tx, orderId, 'reserved', lines))) return;
      const missing = await this.stock.take(tx, lines);
      if (missing === undefined) {
        await this.outbox.append(tx, [
          encodeEvent(inventoryReservedV1, { ...newEvent(orderId), lines }, SOURCE),
        ]);
        return;
      }
      await this.stock.reject(tx, orderId);
      const event = { ...newEvent(orderId), reason: `too few pieces of ${missing}` };
      await this.outbox.append(tx, [encodeEvent(inventoryRejectedV1, event, SOURCE)]);
    });
  }

  /** Gives the stock of a cancelled order back; an order not reserved yet never will be. */
  async release(order: OrderCancelled, message: MessageIdentity): Promise<void> {
    await this.inbox.once(message, async (tx) => {
      const { orderId } = order;
      if (await this.stock.openReservation(tx, orderId, 'released', [])) return;
      const lines = await this.stock.releaseReservation(tx, orderId);
      if (!lines) return;
      await this.stock.giveBack(tx, lines);
      await this.outbox.append(tx, [encodeEvent(inventoryReleasedV1, newEvent(orderId), SOURCE)]);
    });
  }
}
