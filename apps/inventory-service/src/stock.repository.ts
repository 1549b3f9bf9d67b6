import { Inject, Injectable } from '@nestjs/common';
import type { OrderLine } from '@slipstream/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { CONFIG, type Config } from './config.js';
import type { StockDto } from './stock.dto.js';

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

  /** @returns false when the order has a reservation already, of whatever state */
  async openReservation(
    tx: EntityManager,
    orderId: string,
    state: 'reserved' | 'released',
    lines: readonly OrderLine[],
  ): Promise<boolean> {
    const opened = await tx.query(
      `INSERT INTO reservations (order_id, state, lines) VALUES ($1, $2, $3)
       ON CONFLICT DO NOTHING RETURNING order_id`,
      [orderId, state, JSON.stringify(lines)],
    );
    return opened.length > 0;
  }

  async reject(tx: EntityManager, orderId: string): Promise<void> {
    await tx.query(`UPDATE reservations SET state = 'rejected' WHERE order_id = $1`, [orderId]);
  }

  /** @returns the lines to give back, or undefined when nothing was reserved */
  async releaseReservation(tx: EntityManager, orderId: string): Promise<OrderLine[] | undefined> {
    const [[released]]: [{ lines: OrderLine[] }[], number] = await tx.query(
      `UPDATE reservations SET state = 'released' WHERE order_id = $1 AND state = 'reserved' RETURNING lines`,
      [orderId],
    );
    return released?.lines;
  }

  /** Takes all pieces or none. @returns the first SKU that has too few, or undefined when all were taken */
  async take(tx: EntityManager, lines: readonly OrderLine[]): Promise<string | undefined> {
    const wanted = piecesBySku(lines);
    const skus = wanted.map(([sku]) => sku);
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
    const available = new Map(rows.map((row) => [row.sku, row.available]));
    const missing = wanted.find(([sku, pieces]) => (available.get(sku) ?? 0) < pieces);
    if (missing) return missing[0];
    await this.move(tx, wanted, 1);
    return undefined;
  }

  async giveBack(tx: EntityManager, lines: readonly OrderLine[]): Promise<void> {
    const pieces = piecesBySku(lines);
    await tx.query('SELECT sku FROM stock WHERE sku = ANY($1) ORDER BY sku COLLATE "C" FOR UPDATE', [
      pieces.map(([sku]) => sku),
    ]);
    await this.move(tx, pieces, -1);
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

  private async move(tx: EntityManager, pieces: readonly [string, number][], sign: 1 | -1): Promise<void> {
    await tx.query(
      `UPDATE stock SET reserved = reserved + w.pieces
       FROM unnest($1::text[], $2::bigint[]) AS w (sku, pieces) WHERE stock.sku = w.sku`,
      [pieces.map(([sku]) => sku), pieces.map(([, count]) => sign * count)],
    );
  }
}
