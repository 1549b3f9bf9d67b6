import { Controller } from '@nestjs/common';
import {
  inventoryRejectedV1,
  inventoryReleasedV1,
  inventoryReservedV1,
  paymentCompletedV1,
  paymentFailedV1,
  paymentRefundedV1,
  type EventBase,
  type InventoryRejected,
  type InventoryReleased,
  type InventoryReserved,
  type PaymentCompleted,
  type PaymentFailed,
  type PaymentRefunded,
} from '@slipstream/contracts';
import { JetStreamBatchContext, OnEvent, type BatchHandlerOptions } from '@slipstream/jetstream';
import { CancellationsFirst } from './cancellations-first.js';
import { SagaService, type Advance } from './saga.service.js';

export const PAYMENTS: BatchHandlerOptions = {
  durable: 'order-payments',
  concurrency: 2,
  batch: { size: 500, lingerMs: 5 },
};
export const INVENTORY: BatchHandlerOptions = { ...PAYMENTS, durable: 'order-inventory' };

/** Moves orders on with what payment and inventory report. */
@Controller()
export class SettlementController {
  constructor(
    private readonly saga: SagaService,
    private readonly cancellations: CancellationsFirst,
  ) {}

  @OnEvent(paymentCompletedV1, PAYMENTS)
  async onPaymentsCompleted(events: readonly PaymentCompleted[], context: JetStreamBatchContext) {
    await this.advance(events, context, {
      event: 'payments.completed',
      toFacts: () => ({ payment: 'completed' }),
    });
  }

  @OnEvent(paymentFailedV1, PAYMENTS)
  async onPaymentsFailed(events: readonly PaymentFailed[], context: JetStreamBatchContext) {
    await this.advance(events, context, {
      event: 'payments.failed',
      toFacts: ({ reason }) => ({ payment: 'failed', reason: `payment failed: ${reason}` }),
    });
  }

  @OnEvent(paymentRefundedV1, PAYMENTS)
  async onPaymentsRefunded(events: readonly PaymentRefunded[], context: JetStreamBatchContext) {
    await this.advance(events, context, { event: 'payments.refunded' });
  }

  @OnEvent(inventoryReservedV1, INVENTORY)
  async onInventoryReserved(events: readonly InventoryReserved[], context: JetStreamBatchContext) {
    await this.advance(events, context, {
      event: 'inventory.reserved',
      toFacts: () => ({ inventory: 'reserved' }),
    });
  }

  @OnEvent(inventoryRejectedV1, INVENTORY)
  async onInventoryRejected(events: readonly InventoryRejected[], context: JetStreamBatchContext) {
    await this.advance(events, context, {
      event: 'inventory.rejected',
      toFacts: ({ reason }) => ({ inventory: 'rejected', reason: `not in stock: ${reason}` }),
    });
  }

  @OnEvent(inventoryReleasedV1, INVENTORY)
  async onInventoryReleased(events: readonly InventoryReleased[], context: JetStreamBatchContext) {
    await this.advance(events, context, { event: 'inventory.released' });
  }

  private async advance<Event extends EventBase>(
    events: readonly Event[],
    { messages }: JetStreamBatchContext,
    how: Advance<Event>,
  ): Promise<void> {
    await this.cancellations.check();
    await this.saga.advance(events, messages, how);
  }
}
