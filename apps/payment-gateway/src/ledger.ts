import type { OnApplicationShutdown } from '@nestjs/common';
import { LedgerFile } from './ledger-file.js';
import { ledgerRecord, type Charge, type Closing, type LedgerRecord, type Refund } from './ledger-record.js';

export interface LedgerStats {
  /** Charges that succeeded. */
  readonly charges: number;
  readonly refunds: number;
  /** Orders with at least one succeeded charge. */
  readonly distinctOrders: number;
  /** Succeeded charges beyond the first of their order: 0 unless somebody charged an order twice. */
  readonly duplicateCharges: number;
  /** Charged minus refunded, in minor units, over all currencies. */
  readonly amountMinor: number;
}

interface Entry {
  readonly charge: Charge | Closing;
  refund?: Refund;
}

/** A line of the ledger that cannot be read, other than a last one cut off by a crash. */
export class LedgerCorruptError extends Error {
  override readonly name = 'LedgerCorruptError';
  readonly code = 'LEDGER_CORRUPT';

  constructor(path: string, lineNumber: number, cause: unknown) {
    super(`Line ${lineNumber} of ${path} is not a ledger record. Move the file away, or repair that line.`, {
      cause,
    });
  }
}

/** All charges and refunds, by idempotency key. A new one counts and can be found once it is durable. */
export class Ledger implements OnApplicationShutdown {
  private readonly entries = new Map<string, Entry>();
  private readonly chargedOrders = new Set<string>();
  private charges = 0;
  private refunds = 0;
  private amountMinor = 0;
  private file: LedgerFile;

  private constructor() {}

  /** @throws LedgerCorruptError when the file holds a whole line that is no record. */
  static async open(path: string): Promise<Ledger> {
    const ledger = new Ledger();
    ledger.file = await LedgerFile.open(path, (line, number) => ledger.apply(parse(path, line, number)));
    return ledger;
  }

  /** The charge of a key, or that the key was closed without one. */
  findCharge(key: string): Charge | Closing | undefined {
    return this.entries.get(key)?.charge;
  }

  findRefund(key: string): Refund | undefined {
    return this.entries.get(key)?.refund;
  }

  addCharge(key: string, charge: Charge): Promise<void> {
    return this.append({ type: 'charge', key, charge });
  }

  addClosing(key: string, closing: Closing): Promise<void> {
    return this.append({ type: 'close', key, closing });
  }

  addRefund(key: string, refund: Refund): Promise<void> {
    return this.append({ type: 'refund', key, refund });
  }

  stats(): LedgerStats {
    return {
      charges: this.charges,
      refunds: this.refunds,
      distinctOrders: this.chargedOrders.size,
      duplicateCharges: this.charges - this.chargedOrders.size,
      amountMinor: this.amountMinor,
    };
  }

  /** Throws when charges can no longer be made durable. */
  assertWritable(): void {
    this.file.assertWritable();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.file.close();
  }

  private async append(record: LedgerRecord): Promise<void> {
    await this.file.append(JSON.stringify(record));
    this.apply(record);
  }

  private apply(record: LedgerRecord): void {
    if (record.type === 'charge') {
      this.applyCharge(record.key, record.charge);
      return;
    }
    if (record.type === 'close') {
      this.entries.set(record.key, { charge: record.closing });
      return;
    }
    const entry = this.entries.get(record.key);
    if (entry !== undefined && entry.refund === undefined) {
      entry.refund = record.refund;
      this.refunds += 1;
      this.amountMinor -= record.refund.amountMinor;
    }
  }

  private applyCharge(key: string, charge: Charge): void {
    this.entries.set(key, { charge });
    if (charge.status === 'succeeded') {
      this.charges += 1;
      this.chargedOrders.add(charge.orderId);
      this.amountMinor += charge.amountMinor;
    }
  }
}

function parse(path: string, line: string, number: number): LedgerRecord {
  try {
    return ledgerRecord.parse(JSON.parse(line));
  } catch (error) {
    throw new LedgerCorruptError(path, number, error);
  }
}
