import type { ConsumerLiveness, ConsumerPosition, StreamState, TransportSurvey } from '@slipstream/jetstream';
import { Counter, Gauge, register, type Registry } from 'prom-client';
import { CachedSurvey } from './cached-survey.js';

/** What is asked at a scrape. `liveness` and `isConnected` answer from memory. */
export interface TransportProbe {
  survey(): Promise<TransportSurvey>;
  liveness(): readonly ConsumerLiveness[];
  isConnected(): boolean;
}

const STATES = ['running', 'paused', 'stalled', 'stopped'] as const;
const PLACE = ['stream', 'consumer'] as const;
const STREAM = ['stream'] as const;

type Place = (typeof PLACE)[number];
type Stream = (typeof STREAM)[number];
type Reading<Label extends string> = Partial<Record<Label, string>>;

/**
 * Gauges about streams and consumers, read at the moment of the scrape. Those named `nats_` and `dead_letters` are the
 * server's, the same in every process that reports them: aggregate them over processes with `max`, never with `sum`.
 */
export class ServerMetrics {
  private readonly surveys = new Map<TransportProbe, CachedSurvey>();

  private isRegistered = false;

  constructor(private readonly registry: Registry) {}

  add(probe: TransportProbe): void {
    // An app without NATS must not report that it is not connected.
    if (!this.isRegistered) {
      this.isRegistered = true;
      this.registerPositions();
      this.registerStreams();
      this.registerDeadLetters();
      this.registerLiveness();
    }
    const survey = () => (probe.isConnected() ? probe.survey() : Promise.reject(new Error('not connected')));
    // Asked without a connection, it would wait for one while Prometheus waits for the scrape.
    this.surveys.set(probe, new CachedSurvey(survey));
  }

  remove(probe: TransportProbe): void {
    this.surveys.delete(probe);
  }

  private registerPositions(): void {
    const gauge = (name: string, help: string, value: (position: ConsumerPosition) => number) =>
      this.gauge<Place>(name, help, PLACE, async (set) => {
        for (const position of await this.consumers()) set(placeOf(position), value(position));
      });
    gauge(
      'nats_consumer_pending_messages',
      'Messages in the stream that match the consumer and were not delivered yet, whether or not anybody runs it.',
      ({ pending }) => pending,
    );
    gauge(
      'nats_consumer_ack_pending_messages',
      'Messages that were delivered to the consumer and are not settled yet.',
      ({ ackPending }) => ackPending,
    );
    gauge(
      'nats_consumer_redelivered_messages',
      'Messages that were delivered more than once to the consumer and are not settled yet.',
      ({ redelivered }) => redelivered,
    );
    gauge(
      'nats_consumer_settled_deliveries',
      'Deliveries of the consumer up to which all are settled.',
      ({ settledDeliveries }) => settledDeliveries,
    );
    gauge(
      'nats_consumer_paused',
      'Whether an operator has paused the consumer on the server.',
      ({ isPaused }) => Number(isPaused),
    );
    this.registerDeliveries();
  }

  private registerDeliveries(): void {
    const consumers = () => this.consumers();
    new Counter<Place>({
      name: 'nats_consumer_deliveries_total',
      help: 'Deliveries to the consumer since it was created, repeated ones included.',
      labelNames: PLACE,
      registers: [this.registry],
      async collect() {
        const current = await consumers();
        this.reset();
        for (const position of current) this.inc(placeOf(position), position.deliveries);
      },
    });
  }

  private registerStreams(): void {
    const gauge = (name: string, help: string, value: (state: StreamState) => number | undefined) =>
      this.gauge<Stream>(name, help, STREAM, async (set) => {
        for (const state of await this.streams()) {
          const current = value(state);
          if (current !== undefined) set({ stream: state.stream }, current);
        }
      });
    gauge('nats_stream_messages', 'Messages that the stream holds.', ({ messages }) => messages);
    gauge('nats_stream_bytes', 'Bytes that the stream holds.', ({ bytes }) => bytes);
    gauge(
      'nats_stream_max_bytes',
      'Bytes beyond which the stream refuses messages; absent without a limit.',
      ({ maxBytes }) => maxBytes,
    );
    gauge(
      'nats_stream_last_sequence',
      'Sequence of the newest message: how many the stream has ever stored.',
      ({ lastSequence }) => lastSequence,
    );
  }

  private registerDeadLetters(): void {
    const gauge = (name: string, help: string, value: (state: StreamState) => number) =>
      this.gauge<Stream>(name, help, STREAM, async (set) => {
        for (const state of await this.streams()) {
          if (state.deadLettersOf !== undefined) set({ stream: state.deadLettersOf }, value(state));
        }
      });
    gauge(
      'dead_letters',
      'Dead letters of the stream that nobody has redriven or discarded.',
      ({ messages }) => messages,
    );
    gauge(
      'dead_letters_oldest_age_seconds',
      'Age of the oldest of them; 0 when there is none.',
      ({ oldestAtMs }) => (oldestAtMs === undefined ? 0 : Math.max(0, (Date.now() - oldestAtMs) / 1_000)),
    );
  }

  private registerLiveness(): void {
    this.gauge<Place | 'state'>(
      'jetstream_consumer_state',
      '1 for the state in which the consumer loop of this process is, 0 for the others.',
      [...PLACE, 'state'],
      (set) => {
        for (const loop of this.loops()) {
          for (const state of STATES) set({ ...placeOf(loop), state }, Number(loop.state === state));
        }
      },
    );
    this.gauge<Place>(
      'jetstream_inflight_messages',
      'Messages that this process has received and not settled, waiting or running.',
      PLACE,
      (set) => {
        for (const loop of this.loops()) set(placeOf(loop), loop.held);
      },
    );
    this.gauge('jetstream_connection_up', 'Whether this process is connected to NATS.', [], (set) => {
      for (const probe of this.surveys.keys()) set({}, Number(probe.isConnected()));
    });
  }

  private read(): Promise<TransportSurvey[]> {
    return Promise.all([...this.surveys.values()].map((survey) => survey.read()));
  }

  private async consumers(): Promise<ConsumerPosition[]> {
    return (await this.read()).flatMap(({ consumers }) => consumers);
  }

  private async streams(): Promise<StreamState[]> {
    return (await this.read()).flatMap(({ streams }) => streams);
  }

  private loops(): ConsumerLiveness[] {
    return [...this.surveys.keys()].flatMap((probe) => probe.liveness());
  }

  /** A gauge without series that are not read any more. */
  private gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (set: (labels: Reading<Label>, value: number) => void) => void | Promise<void>,
  ): void {
    new Gauge<Label>({
      name,
      help,
      labelNames,
      registers: [this.registry],
      async collect() {
        const readings: [Reading<Label>, number][] = [];
        await read((labels, value) => readings.push([labels, value]));
        this.reset();
        for (const [labels, value] of readings) this.set(labels, value);
      },
    });
  }
}

let processMetrics: ServerMetrics | undefined;

/** The gauges of this process, in the registry that `/metrics` serves. */
export function serverMetrics(): ServerMetrics {
  processMetrics ??= new ServerMetrics(register);
  return processMetrics;
}

function placeOf({ stream, consumer }: Record<Place, string>): Record<Place, string> {
  return { stream, consumer };
}
