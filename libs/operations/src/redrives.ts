import { jetstreamManager, JetStreamApiError } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { carriedHeaders, deadLetterStream, redriveSubject } from '@slipstream/jetstream';
import type { DeadLetter } from './dead-letter.js';
import { DeadLetters, type DeadLetterFilter, type StoredDeadLetter } from './dead-letters.js';
import { BodyGoneError, UnknownOriginError } from './operations-errors.js';
import { Recorder, type Operator } from './operations-record.js';
import { requireRedrives } from './server-state.js';

const MESSAGE_NOT_FOUND = [10_037, 10_043, 10_057];
const TOKEN = /^[^\s.*>]+$/;

/** `already`: somebody else did it before; it has one effect. */
export type RedriveOutcome = 'done' | 'already';

/** What became of many dead letters. */
export interface BulkResult {
  readonly done: number;
  readonly already: number;
  readonly failures: readonly { readonly id: string; readonly error: Error }[];
}

/** Sends dead letters to the consumer that failed, or puts them away. Everything is recorded and has one effect. */
export class Redrives {
  private readonly letters: DeadLetters;
  private readonly recorder: Recorder;

  constructor(private readonly nc: NatsConnection) {
    this.letters = new DeadLetters(nc);
    this.recorder = new Recorder(nc);
  }

  /**
   * Sends a dead letter to the consumer that could not process it, and to no other, with its message id.
   * @param body instead of the original one, which is kept as discarded
   * @throws DeadLetterNotFoundError, NoRedriveConsumerError, UnknownOriginError, BodyGoneError, TooLargeError
   */
  async redrive(id: string, operator: Operator, body?: Uint8Array): Promise<RedriveOutcome> {
    const stored = await this.letters.get(id);
    await this.requireTaker(stored, new Map());
    return this.send(stored, operator, body);
  }

  /**
   * Sends all that match and are there now. One that cannot be sent is a failure of its own and does not keep the others:
   * what `redrive` throws for it is in the result.
   * @throws NotFoundError when the filter names a stream without dead letters of its own
   */
  async redriveAll(filter: DeadLetterFilter, operator: Operator): Promise<BulkResult> {
    const takers = new Map<string, Promise<void>>();
    return this.each(filter, async (stored) => {
      await this.requireTaker(stored, takers);
      return this.send(stored, operator);
    });
  }

  /**
   * Moves a dead letter to `operations.discard.>` of the stream `OPERATIONS`, where it can be looked up.
   * @throws DeadLetterNotFoundError, TooLargeError
   */
  async discard(id: string, operator: Operator): Promise<RedriveOutcome> {
    return this.putAway(await this.letters.get(id), operator);
  }

  /** Discards all that match and are there now. */
  async discardAll(filter: DeadLetterFilter, operator: Operator): Promise<BulkResult> {
    return this.each(filter, (stored) => this.putAway(stored, operator));
  }

  private async send(
    stored: StoredDeadLetter,
    operator: Operator,
    edited?: Uint8Array,
  ): Promise<RedriveOutcome> {
    const { letter, headers } = stored;
    const { stream, consumer } = letter;
    const { body, headers: original } = await this.originalOf(stored, edited);
    const carried = { ...original, ...withoutControls(headers) };
    // Long ones, for which there may be no room, and what is true of the copy alone.
    for (const name of ['stack', 'message', 'body', 'headers']) delete carried[`dead-letter-${name}`];
    if (edited) {
      carried['operation-edited'] = 'true';
      await this.recorder.once(this.discardOf(stored, { ...operator, reason: 'replaced by an edited body' }));
    }
    const isFirst = await this.recorder.once({
      subject: redriveSubject(stream, consumer, operationId(stored)),
      headers: carried,
      body,
      operator,
    });
    // A crash before this line leaves a dead letter whose redrive is found done when it is repeated.
    await this.remove(stored);
    return isFirst ? 'done' : 'already';
  }

  private async putAway(stored: StoredDeadLetter, operator: Operator): Promise<RedriveOutcome> {
    const isFirst = await this.recorder.once(this.discardOf(stored, operator));
    await this.remove(stored);
    return isFirst ? 'done' : 'already';
  }

  private discardOf(stored: StoredDeadLetter, operator: Operator) {
    const { letter, headers, body, position } = stored;
    const consumer = TOKEN.test(letter.consumer) ? letter.consumer : 'unknown';
    return {
      subject: `operations.discard.${position.stream}.${consumer}.${operationId(stored)}`,
      headers: withoutControls(headers),
      body,
      operator,
    };
  }

  /** What of the message is sent beside what its dead letter carries. */
  private async originalOf(
    { letter, headers, body }: StoredDeadLetter,
    edited: Uint8Array | undefined,
  ): Promise<{ body: Uint8Array; headers: Record<string, string> }> {
    const lacksHeaders = headers.get('dead-letter-headers') === 'in-stream';
    const lacksBody = !edited && headers.get('dead-letter-body') === 'in-stream';
    if (!lacksHeaders && !lacksBody) return { body: edited ?? body, headers: {} };
    const original = await this.letters.original(letter);
    if (!original) throw goneError(letter, lacksHeaders);
    return {
      body: edited ?? original.data,
      headers: lacksHeaders ? carriedHeaders(original.header) : {},
    };
  }

  private async requireTaker(
    { letter: { id, stream, consumer, subject } }: StoredDeadLetter,
    asked: Map<string, Promise<void>>,
  ): Promise<void> {
    if (!TOKEN.test(stream) || !TOKEN.test(consumer) || subject === '') {
      throw new UnknownOriginError(
        `${id} does not say which consumer could not process it`,
        'It was not written by this transport; discard it.',
      );
    }
    const key = `${stream}.${consumer}`;
    const answer = asked.get(key) ?? requireRedrives(await this.manager(), stream, consumer);
    asked.set(key, answer);
    await answer;
  }

  private async each(
    filter: DeadLetterFilter,
    work: (stored: StoredDeadLetter) => Promise<RedriveOutcome>,
  ): Promise<BulkResult> {
    const counts = { done: 0, already: 0 };
    const failures: { id: string; error: Error }[] = [];
    const handle = async (stored: StoredDeadLetter) => {
      try {
        counts[await work(stored)]++;
      } catch (error) {
        failures.push({ id: stored.letter.id, error: error as Error });
      }
    };
    // One after the other: several at once could be stored in another order, which a handler with `orderBy` relies on.
    for await (const stored of this.letters.read(filter)) await handle(stored);
    return { ...counts, failures };
  }

  private async remove({ position }: StoredDeadLetter): Promise<void> {
    const manager = await this.manager();
    try {
      await manager.streams.deleteMessage(deadLetterStream(position.stream), position.sequence, false);
    } catch (error) {
      // Whoever did the same at the same time was faster.
      if (!(error instanceof JetStreamApiError && MESSAGE_NOT_FOUND.includes(error.code))) throw error;
    }
  }

  private manager() {
    return jetstreamManager(this.nc, { checkAPI: false });
  }
}

/** Without its headers a message has no id, by which its consumer knows it: it may have handled it before. */
function goneError({ id, stream }: DeadLetter, lacksHeaders: boolean): BodyGoneError {
  const [what, hint] = lacksHeaders
    ? ['headers', 'Discard it.']
    : ['bytes of the body', 'Redrive it with a body of its own, or discard it.'];
  return new BodyGoneError(
    `the ${what} of ${id} were too many to be copied, and ${stream} no longer has them`,
    hint,
  );
}

/** Names a dead letter for ever: the time tells it from another under its sequence, in a stream that was created anew. */
function operationId({ position, storedAtMs }: StoredDeadLetter): string {
  return `${position.sequence}-${storedAtMs}`;
}

/** Headers of a dead letter less those of the server, which are about the dead letter and not about the message. */
function withoutControls(headers: MsgHdrs): Record<string, string> {
  const names = headers.keys().filter((name) => !/^nats-/i.test(name));
  return Object.fromEntries(names.map((name) => [name, headers.get(name)]));
}
