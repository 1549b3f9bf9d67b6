import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { OrderCreated } from '@slipstream/contracts';
import { EventPattern, JetStreamContext } from '@slipstream/jetstream';
import { OrdersService } from './orders.service.js';

/** Registers orders that another producer put on the stream. */
@Controller()
export class IntakeController {
  constructor(private readonly orders: OrdersService) {}

  @EventPattern('orders.created.*', { durable: 'order-intake' })
  async onOrderCreated(@Payload() order: OrderCreated, @Ctx() context: JetStreamContext): Promise<void> {
    await this.orders.register(order, context);
  }
}
