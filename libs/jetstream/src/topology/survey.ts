import type { ConsumerInfo, JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { JetStreamConnection } from '../connection.js';
import type { ConsumerPosition, StreamState, TransportSurvey } from '../observer.js';
import { isForbidden } from './forbidden.js';
import { deadLetterStream, type StreamDefinition } from './stream-definition.js';
import { ADVISORY_STREAM, OPERATIONS_STREAM } from './stream-config.js';
import type { LocatedConsumer } from './topology.js';

/** Durables of one stream that are reported; whoever makes more of them must not fill the memory of those who watch. */
const MAX_CONSUMERS = 256;

interface Loop {
  readonly consumers: readonly LocatedConsumer[];
}

type AskPositions = (consumers: readonly LocatedConsumer[]) => Promise<ConsumerPosition[]>;

interface Place {
  readonly stream: string;
  readonly deadLettersOf?: string;
}

/**
 * Asks the server for streams and for every durable on them, declared here or not: the backlog of a service is seen while
 * none of its processes runs. What the user of the connection may not ask for is left out and not asked for again.
 */
export class Survey {
  private readonly places: readonly Place[];
  private readonly forbidden = new Set<string>();

  constructor(
    private readonly connection: JetStreamConnection,
    streams: readonly StreamDefinition[],
  ) {
    this.places = [
      ...streams.flatMap(({ name }): Place[] => [
        { stream: name },
        { stream: deadLetterStream(name), deadLettersOf: name },
      ]),
      { stream: OPERATIONS_STREAM.name },
      { stream: ADVISORY_STREAM.name },
    ];
  }

  /**
   * @param loops of this process: consumers that belong to it alone, and those that may be all that is visible
   * @throws when the server answers none of the questions
   */
  async take(loops: readonly Loop[], positions: AskPositions): Promise<TransportSurvey> {
    const manager = await this.connection.manager();
    const own = loops.flatMap(({ consumers }) => consumers);
    const events = own.filter(({ plan }) => !isOfLibrary(plan.stream));
    const redrives = own.filter(({ plan }) => plan.stream.name === OPERATIONS_STREAM.name);
    const [streams, listed, ...others] = await Promise.all([
      this.askEach((place) => this.state(manager, place)),
      this.askEach((place) => this.consumers(manager, place)),
      this.permitted('own consumers', () => positions(events)),
      // Apart: one refusal would hide the others too.
      this.permitted('own redrives', () => positions(redrives)),
    ]);
    const consumers = [...listed.flat(), ...others.flatMap((found) => found ?? [])];
    return { streams, consumers: [...new Map(consumers.map((one) => [nameOf(one), one])).values()] };
  }

  private async askEach<T>(ask: (place: Place) => Promise<T | undefined>): Promise<T[]> {
    const answers = await Promise.allSettled(this.places.map(ask));
    const [failure] = answers.filter((answer) => answer.status === 'rejected');
    const found = answers.flatMap((answer) =>
      answer.status === 'fulfilled' && answer.value !== undefined ? [answer.value] : [],
    );
    // One stream may be missing or have no leader; with none at all the broker is away.
    if (failure && found.length === 0) throw failure.reason;
    return found;
  }

  private state(manager: JetStreamManager, place: Place): Promise<StreamState | undefined> {
    return this.permitted(`info ${place.stream}`, async () =>
      toState(await manager.streams.info(place.stream), place),
    );
  }

  private consumers(manager: JetStreamManager, { stream }: Place): Promise<ConsumerPosition[] | undefined> {
    return this.permitted(`consumers ${stream}`, async () => {
      const page = await manager.consumers.list(stream).next();
      return page
        .filter(({ config }) => config.durable_name !== undefined)
        .slice(0, MAX_CONSUMERS)
        .map(toPosition);
    });
  }

  private async permitted<T>(question: string, ask: () => Promise<T>): Promise<T | undefined> {
    if (this.forbidden.has(question)) return undefined;
    try {
      return await ask();
    } catch (error) {
      if (!isForbidden(error)) throw error;
      this.forbidden.add(question);
      return undefined;
    }
  }
}

export function toPosition(info: ConsumerInfo): ConsumerPosition {
  return {
    stream: info.stream_name,
    consumer: info.name,
    pending: info.num_pending,
    ackPending: info.num_ack_pending,
    redelivered: info.num_redelivered,
    deliveredThrough: info.delivered.stream_seq,
    settledThrough: info.ack_floor.stream_seq,
    deliveries: info.delivered.consumer_seq,
    settledDeliveries: info.ack_floor.consumer_seq,
    isPaused: info.paused ?? false,
  };
}

function toState({ state, config }: StreamInfo, { stream, deadLettersOf }: Place): StreamState {
  return {
    stream,
    deadLettersOf,
    messages: state.messages,
    bytes: state.bytes,
    maxBytes: config.max_bytes > 0 ? config.max_bytes : undefined,
    lastSequence: state.last_seq,
    oldestAtMs: state.messages > 0 ? Date.parse(state.first_ts) : undefined,
  };
}

function isOfLibrary({ name }: StreamDefinition): boolean {
  return name === OPERATIONS_STREAM.name || name === ADVISORY_STREAM.name;
}

function nameOf({ stream, consumer }: ConsumerPosition): string {
  return `${stream}/${consumer}`;
}
