import { decodeEvent } from '@slipstream/contracts';
import { PostgresInbox } from '@slipstream/idempotency';
import { headerOf } from '@slipstream/jetstream';
import type { Recall, SettledMessage } from '@slipstream/operations';
import { inboxLedger, type LedgerMessage } from '@slipstream/service';
import type { DataSource } from 'typeorm';
import { withDatabaseOf } from './database-access.js';
import { requireService } from '../../system.js';

/**
 * Opens the inbox of a service, and the tables beside it that tell what the service has dealt with.
 * @throws what `withDatabaseOf` throws
 */
export function withInboxOf<T>(service: string, work: (inbox: InboxAccess) => Promise<T>): Promise<T> {
  const { ledgers = {} } = requireService(service);
  const part = { table: 'inbox', name: 'inbox' };
  return withDatabaseOf(service, part, async (dataSource) => {
    const keptSince = await new PostgresInbox(dataSource).partitions.keptSince();
    return work({
      recall: (stream, durable) => {
        const ledger = ledgers[durable] ?? inboxLedger(durable);
        return recallFrom(dataSource, { stream, ledger, since: ledger.isInbox ? keptSince : undefined });
      },
    });
  });
}

/** What an operator asks the inbox of a service. */
interface InboxAccess {
  /** Tells what a durable of the service has dealt with. */
  recall(stream: string, durable: string): Recall;
}

function recallFrom(
  dataSource: DataSource,
  from: {
    readonly stream: string;
    readonly ledger: ReturnType<typeof inboxLedger>;
    /** What is older may be forgotten. */
    readonly since: Date | undefined;
  },
): Recall {
  const { stream, ledger, since } = from;
  return async (messages) => {
    const keys = new Map(
      messages.map((message) => [message.seq, ledger.keyOf(readMessage(stream, message))]),
    );
    const rows: { key: string }[] = await dataSource.query(ledger.query, [[...keys.values()]]);
    const found = new Set(rows.map(({ key }) => key));
    const isKnown = ({ seq }: SettledMessage) => found.has(keys.get(seq) ?? '');
    const isForgotten = (message: SettledMessage) =>
      since !== undefined && message.time < since && !isKnown(message);
    return {
      known: new Set(messages.filter(isKnown).map(({ seq }) => seq)),
      unknown: new Set(messages.filter(isForgotten).map(({ seq }) => seq)),
    };
  };
}

function readMessage(stream: string, { seq, subject, headers, data, time }: SettledMessage): LedgerMessage {
  const place = { stream, sequence: seq, at: time, subject };
  try {
    const { messageId, payload } = decodeEvent({
      subject,
      data,
      header: (name) => headerOf(headers, name),
    });
    return { ...place, messageId, orderId: payload.orderId };
  } catch {
    // As consumers name what they cannot read.
    return { ...place, messageId: `${stream}:${seq}`, orderId: '' };
  }
}
