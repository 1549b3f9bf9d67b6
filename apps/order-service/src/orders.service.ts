import { Injectable } from '@nestjs/common';
import { ProblemException } from '@slipstream/bootstrap';
import { newEvent, newId, type EncodedEvent, type OrderCreated } from '@slipstream/contracts';
import { Outbox, type WriteBeside } from '@slipstream/outbox';
import { GroupCommit, GroupCommitFullError } from '@slipstream/postgres';
import { createHash } from 'node:crypto';
import { DataSource, type EntityManager } from 'typeorm';
import { CreatedEvents } from './created-events.js';
import { IdempotencyKeysRepository, type KeyClaim } from './idempotency-keys.repository.js';
import {
  totalOf,
  type AcceptedOrderDto,
  type ListOrdersDto,
  type OrderDto,
  type OrderPageDto,
  type PlaceOrderDto,
} from './orders.dto.js';
import { OrdersRepository } from './orders.repository.js';

/** An order that waits to be committed with its events. */
interface Placement {
  readonly order: OrderCreated;
  readonly events: readonly EncodedEvent[];
  readonly claim: KeyClaim | undefined;
}

/** Orders of one transaction. */
const MAX_GROUP = 500;
/** Half a second's worth at full speed: whoever comes later is better off with another process. */
const MAX_WAITING = 5_000;
/** One transaction encodes and sends while the other waits for its commit to reach the disk. */
const CONCURRENT_GROUPS = 2;

@Injectable()
export class OrdersService {
  private readonly placements: GroupCommit<Placement, AcceptedOrderDto>;

  constructor(
    private readonly dataSource: DataSource,
    private readonly orders: OrdersRepository,
    private readonly keys: IdempotencyKeysRepository,
    private readonly outbox: Outbox,
    private readonly created: CreatedEvents,
  ) {
    this.placements = new GroupCommit({
      commit: (placements) => this.commit(placements),
      keyOf: ({ order }) => order.orderId,
      maxGroup: MAX_GROUP,
      maxWaiting: MAX_WAITING,
      concurrency: CONCURRENT_GROUPS,
    });
  }

  /**
   * Resolves once the order and its event are committed, together with those of requests that came at the same time.
   * @throws ProblemException 422 when the key was used for another order, 503 when too many requests wait
   */
  async place(input: PlaceOrderDto, idempotencyKey: string | undefined): Promise<AcceptedOrderDto> {
    const order: OrderCreated = {
      ...newEvent(newId()),
      customerId: input.customerId,
      currency: input.currency,
      totalMinor: totalOf(input.lines),
      lines: input.lines,
    };
    const claim =
      idempotencyKey === undefined
        ? undefined
        : { key: idempotencyKey, orderId: order.orderId, fingerprint: fingerprintOf(input) };
    try {
      return await this.placements.submit({ order, events: this.created.encode(order), claim });
    } catch (error) {
      throw error instanceof GroupCommitFullError ? tooManyOrders() : error;
    }
  }

  find(orderId: string): Promise<OrderDto | undefined> {
    return this.orders.find(orderId);
  }

  async list({ status, after, limit }: ListOrdersDto): Promise<OrderPageDto> {
    const orders = await this.orders.list({ status, after, limit });
    return { orders, next: orders.length === limit ? (orders.at(-1)?.orderId ?? null) : null };
  }

  private async commit(placements: readonly Placement[]): Promise<(AcceptedOrderDto | Error)[]> {
    if (placements.some(({ claim }) => claim !== undefined)) {
      return this.dataSource.transaction((tx) => this.commitWithKeys(tx, placements));
    }
    await this.outbox.appendAlone(this.dataSource, ...this.writesOf(placements));
    return placements.map(({ order }) => answerTo(order, undefined, undefined));
  }

  private async commitWithKeys(
    tx: EntityManager,
    placements: readonly Placement[],
  ): Promise<(AcceptedOrderDto | Error)[]> {
    const owners = await this.keys.claim(
      tx,
      placements.flatMap(({ claim }) => claim ?? []),
    );
    const fresh = placements.filter(
      ({ claim }) => claim === undefined || owners.get(claim.key)?.orderId === claim.orderId,
    );
    if (fresh.length > 0) await this.outbox.append(tx, ...this.writesOf(fresh));
    return placements.map(({ order, claim }) => answerTo(order, claim, claim && owners.get(claim.key)));
  }

  /** What the one statement for orders and their events is given. */
  private writesOf(placements: readonly Placement[]): [EncodedEvent[], WriteBeside] {
    return [
      placements.flatMap(({ events }) => events),
      this.orders.place(placements.map(({ order }) => order)),
    ];
  }
}

/** A key that was used before stands for its order, if that is what is asked for again. */
function answerTo(
  { orderId }: OrderCreated,
  claim: KeyClaim | undefined,
  owner: KeyClaim | undefined,
): AcceptedOrderDto | Error {
  if (claim && owner && owner.fingerprint !== claim.fingerprint) {
    return new ProblemException(422, {
      detail: 'this Idempotency-Key was used for another order',
      errors: [{ field: 'Idempotency-Key', reason: 'was used with another body' }],
    });
  }
  return { orderId: owner?.orderId ?? orderId, status: 'pending' };
}

function fingerprintOf({ customerId, currency, lines }: PlaceOrderDto): string {
  const content = [
    customerId,
    currency,
    lines.map(({ sku, quantity, unitPriceMinor }) => [sku, quantity, unitPriceMinor]),
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

function tooManyOrders(): ProblemException {
  return new ProblemException(503, {
    detail: 'too many orders wait to be stored',
    headers: { 'Retry-After': '1' },
  });
}
