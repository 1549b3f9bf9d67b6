import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { OrderCancelled, OrderCreated } from '@slipstream/contracts';
import { EventPattern, JetStreamBatchContext, type HandlerOptions } from '@slipstream/jetstream';
import { ReservationsService } from './reservations.service.js';

// One batch at a time: orders for the same pieces would wait for each other's commits, and do it once in a batch.
const RESERVING: HandlerOptions = {
  durable: 'inventory-orders',
  concurrency: 1,
  batch: { size: 200, lingerMs: 5 },
};

@Controller()
export class ReservationsController {
  constructor(private readonly reservations: ReservationsService) {}

  @EventPattern('orders.created.*', RESERVING)
  async onOrdersCreated(
    @Payload() orders: readonly OrderCreated[],
    @Ctx() { messages }: JetStreamBatchContext,
  ): Promise<void> {
    await this.reservations.reserve(orders, messages);
  }

  @EventPattern('orders.cancelled.*', RESERVING)
  async onOrdersCancelled(
    @Payload() orders: readonly OrderCancelled[],
    @Ctx() { messages }: JetStreamBatchContext,
  ): Promise<void> {
    await this.reservations.release(orders, messages);
  }
}
