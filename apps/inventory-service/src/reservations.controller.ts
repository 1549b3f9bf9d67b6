import { Controller } from '@nestjs/common';
import {
  orderCancelledV1,
  orderCreatedV2,
  type OrderCancelled,
  type OrderCreated,
} from '@slipstream/contracts';
import { JetStreamContext, OnEvent } from '@slipstream/jetstream';
import { ReservationsService } from './reservations.service.js';

@Controller()
export class ReservationsController {
  constructor(private readonly reservations: ReservationsService) {}

  @OnEvent(orderCreatedV2, { durable: 'inventory-orders' })
  async onOrderCreated(order: OrderCreated, context: JetStreamContext): Promise<void> {
    await this.reservations.reserve(order, context);
  }

  @OnEvent(orderCancelledV1, { durable: 'inventory-orders' })
  async onOrderCancelled(order: OrderCancelled, context: JetStreamContext): Promise<void> {
    await this.reservations.release(order, context);
  }
}
