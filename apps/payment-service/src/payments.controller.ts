import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { OrderCancelled, OrderCreated } from '@slipstream/contracts';
import { EventPattern, JetStreamContext } from '@slipstream/jetstream';
import { PaymentsService } from './payments.service.js';

@Controller()
export class PaymentsController {
  constructor(private readonly payments: PaymentsService) {}

  // Fifteen attempts outlast half an hour of a gateway that is down.
  @EventPattern('orders.created.*', { durable: 'payment-orders', concurrency: 32, maxDeliver: 15 })
  async onOrderCreated(@Payload() order: OrderCreated, @Ctx() context: JetStreamContext): Promise<void> {
    await this.payments.charge(order, context);
  }

  @EventPattern('orders.cancelled.*', { durable: 'payment-orders' })
  async onOrderCancelled(@Payload() order: OrderCancelled, @Ctx() context: JetStreamContext): Promise<void> {
    await this.payments.refund(order, context);
  }
}
