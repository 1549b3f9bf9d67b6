import type { BatchResult, JetStreamPublisher, PublishError } from '@slipstream/jetstream';
import type { OutboxRow, SetAside } from './outbox-rows.js';

export type OutboxPublisher = Pick<JetStreamPublisher, 'publishBatch'>;

/** Codes of errors that no repetition cures: the message itself is wrong. */
const UNPUBLISHABLE = new Set(['JS_INVALID_MESSAGE', 'JS_INVALID_HEADER', 'JS_MESSAGE_TOO_LARGE']);

export interface RefusedRow {
  readonly row: OutboxRow;
  readonly error: PublishError;
}

/** What became of a batch of rows. */
export interface BatchOutcome {
  readonly published: readonly OutboxRow[];
  /** Can never be published. */
  readonly setAside: readonly SetAside[];
  /** Not published yet, and perhaps stored nevertheless: the answer may be lost. */
  readonly refused: readonly RefusedRow[];
}

/** Publishes rows in order, as an atomic batch where the server has them; rows of one aggregate never overtake each other. */
export async function publishRows(
  publisher: OutboxPublisher,
  rows: readonly OutboxRow[],
): Promise<BatchOutcome> {
  const outcome = {
    published: [] as OutboxRow[],
    setAside: [] as SetAside[],
    refused: [] as RefusedRow[],
  };
  if (rows.length === 0) return outcome;
  const { acks } = await publisher.publishBatch(
    rows.map(({ messageId, subject, headers, data, aggregateId }) => ({
      messageId,
      subject,
      headers: JSON.parse(headers) as Record<string, string>,
      data,
      orderKey: aggregateId,
    })),
  );
  for (const [index, row] of rows.entries()) sort(row, acks[index], outcome);
  return outcome;
}

function sort(
  row: OutboxRow,
  result: BatchResult | undefined,
  into: { published: OutboxRow[]; setAside: SetAside[]; refused: RefusedRow[] },
): void {
  if (!(result instanceof Error)) into.published.push(row);
  else if (UNPUBLISHABLE.has(result.code)) {
    into.setAside.push(toSetAside(row, result));
  } else into.refused.push({ row, error: result });
}

function toSetAside({ id, aggregateId }: OutboxRow, { code, message }: PublishError): SetAside {
  return { id, aggregateId, code, reason: message };
}
