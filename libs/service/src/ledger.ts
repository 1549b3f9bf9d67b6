/** A message as ledgers know it. */
export interface LedgerMessage {
  readonly stream: string;
  readonly sequence: number;
  /** When the stream stored it. */
  readonly at: Date;
  readonly subject: string;
  readonly messageId: string;
  /** Empty when the message cannot be read. */
  readonly orderId: string;
}

/** How the database of a service shows which messages a durable has dealt with. */
export interface Ledger {
  /** What it knows the message by. */
  keyOf(this: void, message: LedgerMessage): string;
  /** Selects as `key` those of the keys `$1::text[]` that are known. */
  readonly query: string;
  /** True when it forgets what is older than the inbox's retention. */
  readonly isInbox: boolean;
}

/** What most durables are known by. */
export function inboxLedger(durable: string, keyOf: Ledger['keyOf'] = ({ messageId }) => messageId): Ledger {
  const query = `SELECT message_id AS key FROM inbox WHERE consumer = '${durable}' AND message_id = ANY ($1::text[])`;
  return { keyOf, query, isInbox: true };
}

/** Ledgers by durable, of those whose inbox does not know their messages by id. */
export interface LedgerDeclaration {
  readonly ledgers?: Readonly<Record<string, Ledger>>;
}
