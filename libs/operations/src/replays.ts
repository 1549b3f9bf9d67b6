import { jetstream, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { carriedHeaders, redriveSubject, toHeaderValue } from '@slipstream/jetstream';
import { InvalidRequestError } from './operations-errors.js';
import { Recorder, type Operator } from './operations-record.js';
import { readStream, requireRange, type StreamRange } from './read-stream.js';
import { requireConsumers, requireRedrives } from './server-state.js';

/** Messages on their way to the server at the same time. */
const CHUNK_SIZE = 100;

/** What to send to one consumer again, handled before or not. */
export interface ReplayRequest extends Pick<StreamRange, 'stream' | 'from' | 'to'> {
  readonly consumer: string;
}

/** What a replay would send, or has sent. */
export interface ReplayCount {
  /** Messages that the consumer reads. */
  readonly messages: number;
  readonly bytes: number;
  readonly firstSequence: number | null;
  readonly lastSequence: number | null;
}

export interface ReplayResult extends ReplayCount {
  /** Names this replay; giving it again continues one that was interrupted. */
  readonly run: string;
  /** Messages that this run had sent before. */
  readonly already: number;
}

/**
 * Sends a range of a stream to one consumer once more, through the channel of redrives. Messages keep their ids, so a
 * consumer with an inbox skips what it has dealt with.
 */
export class Replays {
  private readonly js: JetStreamClient;
  private readonly recorder: Recorder;

  constructor(nc: NatsConnection) {
    this.js = jetstream(nc);
    this.recorder = new Recorder(nc);
  }

  /**
   * Counts what a replay would send; sends nothing.
   * @throws NotFoundError, InvalidRequestError
   */
  async count(request: ReplayRequest): Promise<ReplayCount> {
    let count = NOTHING;
    for await (const message of this.read(request, true)) count = add(count, message);
    return count;
  }

  /**
   * Sends it.
   * @param run a name of its own for each replay that is meant
   * @throws NotFoundError, InvalidRequestError, NoRedriveConsumerError
   */
  async send(request: ReplayRequest, operator: Operator, run: string): Promise<ReplayResult> {
    if (!/^[\w-]{1,64}$/.test(run)) {
      throw new InvalidRequestError(
        `"${run}" cannot name a replay`,
        'Take up to 64 letters, digits, "-" and "_".',
      );
    }
    const manager = await this.js.jetstreamManager(false);
    await requireConsumers(manager, request.stream, request.consumer);
    await requireRedrives(manager, request.stream, request.consumer);
    let count = NOTHING;
    let already = 0;
    let chunk: Promise<boolean>[] = [];
    const settle = async () => {
      already += (await Promise.all(chunk)).filter((isFirst) => !isFirst).length;
      chunk = [];
    };
    for await (const message of this.read(request, false)) {
      count = add(count, message);
      const sent = this.recorder.once(toRecord(request, operator, run, message));
      // Looked at when the chunk is full; until then a failure that nobody observes would end the process.
      sent.catch(() => undefined);
      if (chunk.push(sent) === CHUNK_SIZE) await settle();
    }
    await settle();
    return { ...count, run, already };
  }

  private async *read(request: ReplayRequest, isHeadersOnly: boolean): AsyncGenerator<JsMsg> {
    const { stream, consumer, from, to } = request;
    requireRange(request);
    const manager = await this.js.jetstreamManager(false);
    // Partitions of a durable read the same subjects.
    const [{ config }] = await requireConsumers(manager, stream, consumer);
    const subjects = config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : []);
    yield* readStream(this.js, { stream, from, to, subjects, isHeadersOnly });
  }
}

const NOTHING: ReplayCount = { messages: 0, bytes: 0, firstSequence: null, lastSequence: null };

function add(count: ReplayCount, { seq, headers, data }: JsMsg): ReplayCount {
  return {
    messages: count.messages + 1,
    bytes: count.bytes + Number(headers?.get('Nats-Msg-Size') || data.length),
    firstSequence: count.firstSequence ?? seq,
    lastSequence: seq,
  };
}

function toRecord({ stream, consumer }: ReplayRequest, operator: Operator, run: string, message: JsMsg) {
  return {
    subject: redriveSubject(stream, consumer, `replay.${run}.${message.seq}`),
    headers: {
      ...carriedHeaders(message.headers),
      'dead-letter-stream': stream,
      'dead-letter-consumer': consumer,
      'dead-letter-sequence': String(message.seq),
      'dead-letter-subject': toHeaderValue(message.subject),
      'dead-letter-first-at': message.time.toISOString(),
    },
    body: message.data,
    operator,
  };
}
