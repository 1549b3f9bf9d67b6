import { Controller, Logger } from '@nestjs/common';
import {
  orderCancelledV1,
  orderCreatedV2,
  type EventBase,
  type OrderCancelled,
  type OrderCreated,
} from '@slipstream/contracts';
import { OnEvent, type JetStreamContext } from '@slipstream/jetstream';
import { GatewayError } from './payment-gateway.js';
import { PaymentsService } from './payments.service.js';

/** Durable that brings orders to be charged and refunded. */
export const PAYMENT_ORDERS = 'payment-orders';
/** A quarter of an hour of backoff; then the payment's row is enough to go on with. */
const LAST_ATTEMPT = 14;

// Handlers mostly wait for the gateway, each on its own, so that a slow answer holds nobody up. What they write is
// committed together.
const CHARGING = {
  durable: PAYMENT_ORDERS,
  concurrency: 256,
  maxDeliver: LAST_ATTEMPT + 1,
  // Never before the gateway's Retry-After, and not all together after it.
  backoffMs: { first: 1_000, cap: 300_000 },
  // The wait for a turn, the calls of a step, each at its longest, and the commits between them.
  timeoutMs: 28_000,
  ackWaitMs: 30_000,
};

@Controller()
export class PaymentsController {
  private readonly logger = new Logger(PaymentsController.name);

  constructor(private readonly payments: PaymentsService) {}

  @OnEvent(orderCreatedV2, CHARGING)
  async onOrderCreated(order: OrderCreated, context: JetStreamContext): Promise<void> {
    const charging = context.isRedrive
      ? this.payments.chargeAgain(order)
      : this.payments.charge(order, context.timestamp);
    await charging.catch((error: unknown) => this.leaveAtLast(error, order, context));
  }

  @OnEvent(orderCancelledV1, CHARGING)
  async onOrderCancelled(order: OrderCancelled, context: JetStreamContext): Promise<void> {
    await this.payments.cancel(order).catch((error: unknown) => this.leaveAtLast(error, order, context));
  }

  /**
   * An outage is not the message's fault and must not make a dead letter of it: after its last attempt the payment, whose
   * row was committed before the gateway was called, is left to `StalledPaymentsService`.
   */
  private async leaveAtLast(
    error: unknown,
    { orderId }: EventBase,
    { attempt, messageId }: JetStreamContext,
  ): Promise<void> {
    if (!(error instanceof GatewayError) || attempt < LAST_ATTEMPT) throw error;
    // A settled one that was to be asked about once more has nobody else to go on with it.
    if (!(await this.payments.isUnsettled(orderId))) throw error;
    this.logger.warn({ err: error, messageId, attempt }, 'the payment goes on without its message');
  }
}
