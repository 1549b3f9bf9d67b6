import { Inject, Injectable } from '@nestjs/common';
import type { OrderLine } from '@slipstream/contracts';
import { FIRST_PARAMETER, type WriteBeside } from '@slipstream/outbox';
import { DataSource, type EntityManager } from 'typeorm';
import { CONFIG, type Config } from './config.js';
import type { StockDto } from './stock.dto.js';

/** An order and the pieces it wants. */
export interface Reservation {
  readonly orderId: string;
  readonly lines: readonly OrderLine[];
}

/** What came of orders that wanted pieces. */
export interface Taken {
  /** For each order that got nothing the first SKU that has too few. */
  readonly missing: ReadonlyMap<string, string>;
  /** Takes the pieces of the others, beside the events that tell of it. */
  readonly move: WriteBeside | undefined;
}

const MOVE = `
  moved AS (
    UPDATE stock SET reserved = reserved + w.pieces
    FROM unnest($${FIRST_PARAMETER}::text[], $${FIRST_PARAMETER + 1}::bigint[]) AS w (sku, pieces)
    WHERE stock.sku = w.sku)`;
const STOCK = 'sku, on_hand AS "onHand", reserved, on_hand - reserved AS available';

/** Pieces by SKU, in the order every transaction locks them, so that two orders over the same SKUs never deadlock. */
function piecesBySku(lines: readonly OrderLine[]): [sku: string, pieces: number][] {
  const pieces = new Map<string, number>();
  for (const { sku, quantity } of lines) pieces.set(sku, (pieces.get(sku) ?? 0) + quantity);
  return [...pieces].toSorted(([left], [right]) => (left < right ? -1 : 1));
}

@Injectable()
export class StockRepository {
  constructor(
    private readonly dataSource: DataSource,
    @Inject(CONFIG) private readonly config: Pick<Config, 'DEFAULT_STOCK'>,
  ) {}

  /** @returns the orders that had no reservation yet, of whatever state, each once */
  async openReservations(
    tx: EntityManager,
    orders: readonly Reservation[],
    state: 'reserved' | 'released',
  ): Promise<Reservation[]> {
    // One entry for each order: of two, any one could be stored, and another one be taken.
    const byId = new Map<string, Reservation>();
    for (const order of orders) if (!byId.has(order.orderId)) byId.set(order.orderId, order);
    const firsts = [...byId.values()];
    const rows: { order_id: string }[] = await tx.query(
      `INSERT INTO reservations (order_id, state, lines)
       SELECT order_id, $2, lines FROM unnest($1::text[], $3::jsonb[]) AS o (order_id, lines) ORDER BY order_id
       ON CONFLICT DO NOTHING RETURNING order_id`,
      [firsts.map(({ orderId }) => orderId), state, firsts.map(({ lines }) => JSON.stringify(lines))],
    );
    const opened = new Set(rows.map((row) => row.order_id));
    return firsts.filter(({ orderId }) => opened.has(orderId));
  }

  async reject(tx: EntityManager, orderIds: readonly string[]): Promise<void> {
    if (orderIds.length === 0) return;
    await tx.query(`UPDATE reservations SET state = 'rejected' WHERE order_id = ANY($1)`, [orderIds]);
  }

  /**
   * Locks reservations in the order `openReservations` does, whatever plan finds them.
   * @returns those whose pieces are to be given back
   */
  async releaseReservations(tx: EntityManager, orderIds: readonly string[]): Promise<Reservation[]> {
    const [released]: [Reservation[], number] = await tx.query(
      `WITH held AS (
         SELECT order_id FROM reservations WHERE order_id = ANY($1) AND state = 'reserved'
         ORDER BY order_id FOR UPDATE)
       UPDATE reservations AS r SET state = 'released' FROM held WHERE r.order_id = held.order_id
       RETURNING r.order_id AS "orderId", r.lines`,
      [orderIds],
    );
    return released;
  }

  /** Takes the pieces of each order, all or none, in the order given. */
  async take(tx: EntityManager, orders: readonly Reservation[]): Promise<Taken> {
    const missing = new Map<string, string>();
    if (orders.length === 0) return { missing, move: undefined };
    const available = await this.lock(tx, orders);
    const taken: OrderLine[] = [];
    for (const { orderId, lines } of orders) {
      const wanted = piecesBySku(lines);
      const short = wanted.find(([sku, pieces]) => (available.get(sku) ?? 0) < pieces);
      if (short) {
        missing.set(orderId, short[0]);
        continue;
      }
      for (const [sku, pieces] of wanted) available.set(sku, (available.get(sku) ?? 0) - pieces);
      taken.push(...lines);
    }
    return { missing, move: moving(piecesBySku(taken), 1) };
  }

  /** @returns what gives the pieces back, beside the events that tell of it */
  async giveBack(tx: EntityManager, orders: readonly Reservation[]): Promise<WriteBeside | undefined> {
    if (orders.length === 0) return undefined;
    await this.lock(tx, orders);
    return moving(piecesBySku(orders.flatMap(({ lines }) => lines)), -1);
  }

  /** A SKU nobody has ordered or set yet is shown as it would be on its first order. */
  async find(sku: string): Promise<StockDto> {
    const [stock] = await this.dataSource.query(`SELECT ${STOCK} FROM stock WHERE sku = $1`, [sku]);
    const onHand = this.config.DEFAULT_STOCK;
    return stock ?? { sku, onHand, reserved: 0, available: onHand };
  }

  /** @returns undefined when more pieces are reserved than would be on hand */
  async set(sku: string, onHand: number): Promise<StockDto | undefined> {
    const [stock] = await this.dataSource.query(
      `INSERT INTO stock AS s (sku, on_hand) VALUES ($1, $2)
       ON CONFLICT (sku) DO UPDATE SET on_hand = EXCLUDED.on_hand WHERE s.reserved <= EXCLUDED.on_hand
       RETURNING ${STOCK}`,
      [sku, onHand],
    );
    return stock;
  }

  /** Locks the rows of all SKUs until the transaction ends and returns the pieces that are free. */
  private async lock(tx: EntityManager, orders: readonly Reservation[]): Promise<Map<string, number>> {
    const skus = piecesBySku(orders.flatMap(({ lines }) => lines)).map(([sku]) => sku);
    await tx.query(
      `INSERT INTO stock (sku, on_hand) SELECT sku, $2 FROM unnest($1::text[]) WITH ORDINALITY AS w (sku, position)
       ORDER BY position ON CONFLICT DO NOTHING`,
      [skus, this.config.DEFAULT_STOCK],
    );
    const rows: { sku: string; available: number }[] = await tx.query(
      `SELECT sku, on_hand - reserved AS available FROM stock
       WHERE sku = ANY($1) ORDER BY sku COLLATE "C" FOR UPDATE`,
      [skus],
    );
    return new Map(rows.map((row) => [row.sku, row.available]));
  }
}

/** Of SKUs that the transaction has locked. */
function moving(pieces: readonly [string, number][], sign: 1 | -1): WriteBeside | undefined {
  if (pieces.length === 0) return undefined;
  return {
    name: 'move',
    terms: MOVE,
    values: [pieces.map(([sku]) => sku), pieces.map(([, count]) => sign * count)],
  };
}
