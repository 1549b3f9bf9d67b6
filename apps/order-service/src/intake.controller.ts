import { Controller } from '@nestjs/common';
import { orderCreatedV2, type OrderCreated } from '@slipstream/contracts';
import { JetStreamBatchContext, OnEvent, type BatchHandlerOptions } from '@slipstream/jetstream';
import { SagaService } from './saga.service.js';

export const INTAKE: BatchHandlerOptions = {
  durable: 'order-intake',
  noEcho: true,
  concurrency: 2,
  batch: { size: 500, lingerMs: 5 },
};

/** Registers orders that another producer put on the stream. */
@Controller()
export class IntakeController {
  constructor(private readonly saga: SagaService) {}

  @OnEvent(orderCreatedV2, INTAKE)
  onOrdersCreated(orders: readonly OrderCreated[], { messages }: JetStreamBatchContext): Promise<void> {
    return this.saga.register(orders, messages);
  }
}
