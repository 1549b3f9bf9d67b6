import { Controller } from '@nestjs/common';
import { orderCreatedV2, type OrderCreated } from '@slipstream/contracts';
import { JetStreamContext, OnEvent } from '@slipstream/jetstream';
import { OrdersService, SOURCE } from './orders.service.js';

/** Registers orders that another producer put on the stream. */
@Controller()
export class IntakeController {
  constructor(private readonly orders: OrdersService) {}

  @OnEvent(orderCreatedV2, { durable: 'order-intake' })
  async onOrderCreated(order: OrderCreated, context: JetStreamContext): Promise<void> {
    // Our own orders were registered before they were published.
    if (context.headers?.get('ce-source') === `/${SOURCE}`) return;
    await this.orders.register(order, context);
  }
}
