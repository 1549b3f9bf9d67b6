import { Controller } from '@nestjs/common';
import {
  inventoryRejectedV1,
  inventoryReleasedV1,
  inventoryReservedV1,
  paymentCompletedV1,
  paymentFailedV1,
  paymentRefundedV1,
  type InventoryRejected,
  type InventoryReleased,
  type InventoryReserved,
  type PaymentCompleted,
  type PaymentFailed,
  type PaymentRefunded,
} from '@slipstream/contracts';
import { JetStreamContext, OnEvent } from '@slipstream/jetstream';
import { OrdersService } from './orders.service.js';

/** Moves an order on with what payment and inventory report. */
@Controller()
export class SettlementController {
  constructor(private readonly orders: OrdersService) {}

  @OnEvent(paymentCompletedV1, { durable: 'order-payments' })
  async onPaymentCompleted(event: PaymentCompleted, context: JetStreamContext): Promise<void> {
    await this.orders.advance(event, context, { event: 'payments.completed', payment: 'completed' });
  }

  @OnEvent(paymentFailedV1, { durable: 'order-payments' })
  async onPaymentFailed(event: PaymentFailed, context: JetStreamContext): Promise<void> {
    await this.orders.advance(event, context, {
      event: 'payments.failed',
      payment: 'failed',
      reason: `payment failed: ${event.reason}`,
    });
  }

  @OnEvent(paymentRefundedV1, { durable: 'order-payments' })
  async onPaymentRefunded(event: PaymentRefunded, context: JetStreamContext): Promise<void> {
    await this.orders.advance(event, context, { event: 'payments.refunded' });
  }

  @OnEvent(inventoryReservedV1, { durable: 'order-inventory' })
  async onInventoryReserved(event: InventoryReserved, context: JetStreamContext): Promise<void> {
    await this.orders.advance(event, context, { event: 'inventory.reserved', inventory: 'reserved' });
  }

  @OnEvent(inventoryRejectedV1, { durable: 'order-inventory' })
  async onInventoryRejected(event: InventoryRejected, context: JetStreamContext): Promise<void> {
    await this.orders.advance(event, context, {
      event: 'inventory.rejected',
      inventory: 'rejected',
      reason: `not in stock: ${event.reason}`,
    });
  }

  @OnEvent(inventoryReleasedV1, { durable: 'order-inventory' })
  async onInventoryReleased(event: InventoryReleased, context: JetStreamContext): Promise<void> {
    await this.orders.advance(event, context, { event: 'inventory.released' });
  }
}
