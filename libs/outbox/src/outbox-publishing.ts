import type { BatchResult, JetStreamPublisher, OutgoingMessage, PublishError } from '@slipstream/jetstream';
import type { OutboxRow, SetAside } from './outbox-rows.js';
import type { RelayBatch } from './relay-batch.js';

export type OutboxPublisher = Pick<JetStreamPublisher, 'publishBatch'>;

type Problem = Pick<PublishError, 'code' | 'message'>;

const NO_HEADERS: Problem = { code: 'JS_INVALID_HEADER', message: 'the headers are no JSON' };
/** Codes of errors that no repetition cures: the message itself is wrong. */
const UNPUBLISHABLE = new Set(['JS_INVALID_MESSAGE', 'JS_INVALID_HEADER', 'JS_MESSAGE_TOO_LARGE']);
/** A reason quotes the row, which may be a megabyte of nonsense. */
const MAX_REASON_LENGTH = 1_000;

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

export const NOTHING: BatchOutcome = { published: [], setAside: [], refused: [] };

/** Batches that were sent and are not answered yet, the oldest first. */
export class BatchesUnderway {
  private readonly sent: { batch: RelayBatch; answer: Promise<BatchOutcome> }[] = [];

  constructor(private readonly publisher: OutboxPublisher) {}

  get count(): number {
    return this.sent.length;
  }

  /** No other batch may hold an event of the same aggregate: it could overtake one of these. */
  get batches(): RelayBatch[] {
    return this.sent.map(({ batch }) => batch);
  }

  send(batch: RelayBatch): void {
    if (batch.isEmpty) return;
    const answer = publishRows(this.publisher, batch.rows);
    // Asked for later; until then nobody else handles it.
    answer.catch(() => undefined);
    this.sent.push({ batch, answer });
  }

  /**
   * What became of those that had to be answered until no more than `most` are left, or until one failed as a whole.
   * @throws what the oldest failed with
   */
  async landed(most: number): Promise<BatchOutcome> {
    const outcomes: BatchOutcome[] = [];
    for (let [oldest] = this.sent; oldest && this.count > most; [oldest] = this.sent) {
      try {
        outcomes.push(await oldest.answer);
      } catch (error) {
        // Thrown by the next call: what was stored before it would never be marked, and be published for ever.
        if (outcomes.length > 0) break;
        throw error;
      }
      this.sent.shift();
    }
    return {
      published: outcomes.flatMap(({ published }) => published),
      setAside: outcomes.flatMap(({ setAside }) => setAside),
      refused: outcomes.flatMap(({ refused }) => refused),
    };
  }

  /** Resolves when nothing is underway any more, whatever became of it. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.sent.map(({ answer }) => answer));
  }
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
  const sent: OutboxRow[] = [];
  const messages: OutgoingMessage[] = [];
  for (const row of rows) {
    try {
      messages.push(toMessage(row));
      sent.push(row);
    } catch {
      // Whoever writes into the table by hand must not stop the relay.
      outcome.setAside.push(toSetAside(row, NO_HEADERS));
    }
  }
  if (sent.length === 0) return outcome;
  const { acks } = await publisher.publishBatch(messages);
  for (const [index, row] of sent.entries()) sort(row, acks[index], outcome);
  return outcome;
}

function toMessage({ messageId, subject, headers, data, aggregateId }: OutboxRow): OutgoingMessage {
  return {
    messageId,
    subject,
    headers: JSON.parse(headers) as Record<string, string>,
    data,
    orderKey: aggregateId,
  };
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

function toSetAside({ id, aggregateId }: OutboxRow, { code, message }: Problem): SetAside {
  // PostgreSQL takes no NUL in a text: the row could never be set aside, and the relay would not get past it.
  const reason = message.slice(0, MAX_REASON_LENGTH).replaceAll('\0', '\uFFFD');
  return { id, aggregateId, code, reason };
}
