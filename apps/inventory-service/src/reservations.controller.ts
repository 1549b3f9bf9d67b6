import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { OrderCancelled, OrderCreated } from '@slipstream/contracts';
import { EventPattern, JetStreamContext } from '@slipstream/jetstream';
import { ReservationsService } from './reservations.service.js';

@Controller()
export class ReservationsController {
  constructor(private readonly reservations: ReservationsService) {}

  @EventPattern('orders.created.*', { durable: 'inventory-orders' })
  async onOrderCreated(@Payload() order: OrderCreated, @Ctx() context: JetStreamContext): Promise<void> {
    await this.reservations.reserve(order, context);
  }

  @EventPattern('orders.cancelled.*', { durable: 'inventory-orders' })
  async onOrderCancelled(@Payload() order: OrderCancelled, @Ctx() context: JetStreamContext): Promise<void> {
    await this.reservations.release(order, context);
  }
}
