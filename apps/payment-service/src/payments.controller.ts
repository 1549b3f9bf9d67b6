import { Controller } from '@nestjs/common';
import {
  orderCancelledV1,
  orderCreatedV2,
  type OrderCancelled,
  type OrderCreated,
} from '@slipstream/contracts';
import { OnEvent } from '@slipstream/jetstream';
import { PaymentsService } from './payments.service.js';

@Controller()
export class PaymentsController {
  constructor(private readonly payments: PaymentsService) {}

  // Fifteen attempts outlast half an hour of a gateway that is down.
  @OnEvent(orderCreatedV2, { durable: 'payment-orders', concurrency: 32, maxDeliver: 15 })
  async onOrderCreated(order: OrderCreated): Promise<void> {
    await this.payments.charge(order);
  }

  @OnEvent(orderCancelledV1, { durable: 'payment-orders' })
  async onOrderCancelled(order: OrderCancelled): Promise<void> {
    await this.payments.cancel(order);
  }
}
