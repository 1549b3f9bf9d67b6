import { Controller } from '@nestjs/common';
import {
  orderCancelledV1,
  orderCreatedV2,
  type OrderCancelled,
  type OrderCreated,
} from '@slipstream/contracts';
import { JetStreamBatchContext, OnEvent, type BatchHandlerOptions } from '@slipstream/jetstream';
import { SagaService } from './saga.service.js';

export const INTAKE: BatchHandlerOptions = {
  durable: 'order-intake',
  noEcho: true,
  concurrency: 2,
  batch: { size: 500, lingerMs: 5 },
};

/** Registers orders that another producer put on the stream, and learns again what a restore took from the database. */
@Controller()
export class IntakeController {
  constructor(private readonly saga: SagaService) {}

  @OnEvent(orderCreatedV2, INTAKE)
  onOrdersCreated(orders: readonly OrderCreated[], { messages }: JetStreamBatchContext): Promise<void> {
    return this.saga.register(orders, messages);
  }

  @OnEvent(orderCancelledV1, INTAKE)
  onOrdersCancelled(orders: readonly OrderCancelled[]): Promise<void> {
    return this.saga.recall(orders);
  }
}
