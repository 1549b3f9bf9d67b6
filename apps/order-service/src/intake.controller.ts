import { Controller } from '@nestjs/common';
import { orderCreatedV2, type OrderCreated } from '@slipstream/contracts';
import { JetStreamBatchContext, OnEvent } from '@slipstream/jetstream';
import { SagaService } from './saga.service.js';
import { SOURCE } from './source.js';

const OWN_SOURCE = `/${SOURCE}`;

/** Registers orders that another producer put on the stream. */
@Controller()
export class IntakeController {
  constructor(private readonly saga: SagaService) {}

  @OnEvent(orderCreatedV2, { durable: 'order-intake', concurrency: 2, batch: { size: 500, lingerMs: 5 } })
  async onOrdersCreated(orders: readonly OrderCreated[], { messages }: JetStreamBatchContext): Promise<void> {
    // Our own orders were registered before they were published.
    const isForeign = messages.map(({ headers }) => headers?.get('ce-source') !== OWN_SOURCE);
    await this.saga.register(
      orders.filter((_, index) => isForeign[index]),
      messages.filter((_, index) => isForeign[index]),
    );
  }
}
