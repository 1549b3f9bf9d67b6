import { Controller } from '@nestjs/common';
import {
  orderCancelledV1,
  orderCreatedV2,
  type OrderCancelled,
  type OrderCreated,
} from '@slipstream/contracts';
import { JetStreamBatchContext, OnEvent, type BatchHandlerOptions } from '@slipstream/jetstream';
import { ReservationsService } from './reservations.service.js';

// One batch at a time: orders for the same pieces would wait for each other's commits, and do it once in a batch.
const RESERVING: BatchHandlerOptions = {
  durable: 'inventory-orders',
  concurrency: 1,
  batch: { size: 200, lingerMs: 5 },
};

@Controller()
export class ReservationsController {
  constructor(private readonly reservations: ReservationsService) {}

  @OnEvent(orderCreatedV2, RESERVING)
  async onOrdersCreated(orders: readonly OrderCreated[], { messages }: JetStreamBatchContext): Promise<void> {
    await this.reservations.reserve(orders, messages);
  }

  @OnEvent(orderCancelledV1, RESERVING)
  async onOrdersCancelled(
    orders: readonly OrderCancelled[],
    { messages }: JetStreamBatchContext,
  ): Promise<void> {
    await this.reservations.release(orders, messages);
  }
}
