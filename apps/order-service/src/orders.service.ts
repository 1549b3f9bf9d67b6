import { Inject, Injectable } from '@nestjs/common';
import { ProblemException } from '@slipstream/bootstrap';
import {
  encodeEvent,
  newEvent,
  orderCancelledV1,
  orderConfirmedV1,
  orderCreatedV1,
  orderCreatedV2,
  type EncodedEvent,
  type EventBase,
  type OrderCreated,
} from '@slipstream/contracts';
import { IdempotencyRepository, type MessageIdentity } from '@slipstream/idempotency';
import { Outbox } from '@slipstream/outbox';
import { createHash } from 'node:crypto';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG, type Config } from './config.js';
import {
  totalOf,
  type AcceptedOrderDto,
  type ListOrdersDto,
  type OrderDto,
  type OrderPageDto,
  type PlaceOrderDto,
} from './orders.dto.js';
import { OrdersRepository, type OrderProgress, type OrderState } from './orders.repository.js';

/** Name of this service in the events it publishes. */
export const SOURCE = 'order-service';

/** What an event of another service says about an order. */
export interface Advance extends OrderProgress {
  /** Name of the event for the order's history. */
  readonly event: string;
}

@Injectable()
export class OrdersService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly orders: OrdersRepository,
    private readonly inbox: IdempotencyRepository,
    private readonly outbox: Outbox,
    @Inject(CONFIG) private readonly config: Pick<Config, 'ORDER_CREATED_VERSIONS'>,
  ) {}

  /**
   * Commits the order and its event together.
   * @throws ProblemException 422 when the key was used for another order
   */
  async place(input: PlaceOrderDto, idempotencyKey: string | undefined): Promise<AcceptedOrderDto> {
    const created: OrderCreated = {
      ...newEvent(uuidv7()),
      customerId: input.customerId,
      currency: input.currency,
      totalMinor: totalOf(input.lines),
      lines: input.lines,
    };
    return this.dataSource.transaction(async (tx) => {
      if (idempotencyKey !== undefined) {
        const earlier = await this.orders.claimKey(tx, idempotencyKey, fingerprintOf(input), created.orderId);
        if (earlier) return replay(earlier, input);
      }
      await this.orders.register(tx, created);
      await this.orders.remember(tx, created, 'orders.created');
      await this.outbox.append(tx, this.encodeCreated(created));
      return { orderId: created.orderId, status: 'pending' };
    });
  }

  /** Registers an order another producer published. Our own are there already and stay untouched. */
  async register(order: OrderCreated, message: MessageIdentity): Promise<void> {
    await this.inbox.once(message, async (tx) => {
      const state = await this.orders.register(tx, order);
      if (!state) return;
      await this.orders.remember(tx, order, 'orders.created');
      await this.settle(tx, order.orderId, state);
    });
  }

  /** Takes note of an event about an order, which may be the one that settles it. */
  async advance(
    event: EventBase,
    message: MessageIdentity,
    { event: name, ...progress }: Advance,
  ): Promise<void> {
    await this.inbox.once(message, async (tx) => {
      const state = await this.orders.record(tx, event.orderId, progress);
      await this.orders.remember(tx, event, name);
      await this.settle(tx, event.orderId, state);
    });
  }

  find(orderId: string): Promise<OrderDto | undefined> {
    return this.orders.find(orderId);
  }

  async list({ status, after, limit }: ListOrdersDto): Promise<OrderPageDto> {
    const orders = await this.orders.list({ status, after, limit });
    return { orders, next: orders.length === limit ? (orders.at(-1)?.orderId ?? null) : null };
  }

  /** Confirms an order that is paid and reserved, cancels one that cannot be; a settled order stays as it is. */
  private async settle(tx: EntityManager, orderId: string, state: OrderState): Promise<void> {
    if (state.status !== 'pending') return;
    if (state.payment === 'failed' || state.inventory === 'rejected') {
      const event = { ...newEvent(orderId), reason: state.reason ?? 'unknown' };
      await this.orders.close(tx, orderId, 'cancelled');
      await this.orders.remember(tx, event, 'orders.cancelled');
      await this.outbox.append(tx, [encodeEvent(orderCancelledV1, event, SOURCE)]);
    } else if (state.isRegistered && state.payment === 'completed' && state.inventory === 'reserved') {
      const event = newEvent(orderId);
      await this.orders.close(tx, orderId, 'confirmed');
      await this.orders.remember(tx, event, 'orders.confirmed');
      await this.outbox.append(tx, [encodeEvent(orderConfirmedV1, event, SOURCE)]);
    }
  }

  private encodeCreated(created: OrderCreated): EncodedEvent[] {
    return [orderCreatedV1, orderCreatedV2]
      .filter(({ version }) => this.config.ORDER_CREATED_VERSIONS.includes(`v${version}`))
      .map((contract) => encodeEvent(contract, created, SOURCE));
  }
}

function fingerprintOf({ customerId, currency, lines }: PlaceOrderDto): string {
  const content = [
    customerId,
    currency,
    lines.map(({ sku, quantity, unitPriceMinor }) => [sku, quantity, unitPriceMinor]),
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

function replay(earlier: { orderId: string; fingerprint: string }, input: PlaceOrderDto): AcceptedOrderDto {
  if (earlier.fingerprint !== fingerprintOf(input)) {
    throw new ProblemException(422, {
      detail: 'this Idempotency-Key was used for another order',
      errors: [{ field: 'Idempotency-Key', reason: 'was used with another body' }],
    });
  }
  return { orderId: earlier.orderId, status: 'pending' };
}
