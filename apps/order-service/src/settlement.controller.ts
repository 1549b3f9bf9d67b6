import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type {
  InventoryRejected,
  InventoryReleased,
  InventoryReserved,
  PaymentCompleted,
  PaymentFailed,
  PaymentRefunded,
} from '@slipstream/contracts';
import { EventPattern, JetStreamContext } from '@slipstream/jetstream';
import { OrdersService } from './orders.service.js';

/** Moves an order on with what payment and inventory report. */
@Controller()
export class SettlementController {
  constructor(private readonly orders: OrdersService) {}

  @EventPattern('payments.completed.*', { durable: 'order-payments' })
  async onPaymentCompleted(
    @Payload() event: PaymentCompleted,
    @Ctx() context: JetStreamContext,
  ): Promise<void> {
    await this.orders.advance(event, context, { event: 'payments.completed', payment: 'completed' });
  }

  @EventPattern('payments.failed.*', { durable: 'order-payments' })
  async onPaymentFailed(@Payload() event: PaymentFailed, @Ctx() context: JetStreamContext): Promise<void> {
    await this.orders.advance(event, context, {
      event: 'payments.failed',
      payment: 'failed',
      reason: `payment failed: ${event.reason}`,
    });
  }

  @EventPattern('payments.refunded.*', { durable: 'order-payments' })
  async onPaymentRefunded(
    @Payload() event: PaymentRefunded,
    @Ctx() context: JetStreamContext,
  ): Promise<void> {
    await this.orders.advance(event, context, { event: 'payments.refunded' });
  }

  @EventPattern('inventory.reserved.*', { durable: 'order-inventory' })
  async onInventoryReserved(
    @Payload() event: InventoryReserved,
    @Ctx() context: JetStreamContext,
  ): Promise<void> {
    await this.orders.advance(event, context, { event: 'inventory.reserved', inventory: 'reserved' });
  }

  @EventPattern('inventory.rejected.*', { durable: 'order-inventory' })
  async onInventoryRejected(
    @Payload() event: InventoryRejected,
    @Ctx() context: JetStreamContext,
  ): Promise<void> {
    await this.orders.advance(event, context, {
      event: 'inventory.rejected',
      inventory: 'rejected',
      reason: `not in stock: ${event.reason}`,
    });
  }

  @EventPattern('inventory.released.*', { durable: 'order-inventory' })
  async onInventoryReleased(
    @Payload() event: InventoryReleased,
    @Ctx() context: JetStreamContext,
  ): Promise<void> {
    await this.orders.advance(event, context, { event: 'inventory.released' });
  }
}
