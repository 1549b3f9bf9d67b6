import { Logger } from '@nestjs/common';
import {
  ClientProxy,
  NatsRecord,
  NatsResponseJSONDeserializer,
  type NatsEvents,
  type ReadPacket,
  type WritePacket,
} from '@nestjs/microservices';
import type { PubAck } from '@nats-io/jetstream';
import {
  ClosedConnectionError,
  createInbox,
  headers as createHeaders,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node';
import { EventEmitter } from 'node:events';
import { from, ReplaySubject, type Observable } from 'rxjs';
import type { JetStreamConnection } from '../connection.js';
import type { JetStreamPublisher } from '../publish/jetstream.publisher.js';
import type { OutgoingMessage } from '../publish/outgoing-message.js';
import { InvalidMessageError } from '../publish/publish-errors.js';
import { isLiteral, isValidPattern } from '../subject.js';
import { NoHandlerError } from './no-handler.error.js';
import { JetStreamRecord } from './jetstream-record.js';

/** State of the connection, as `JetStreamClient.status` tells it. */
export type JetStreamClientStatus = 'connected' | 'reconnecting' | 'disconnected';

type PacketCallback = (packet: WritePacket) => void;

const NO_RESPONDERS = 503;

/**
 * Nest's client façade. `emit` publishes to a stream through `JetStreamPublisher`; `send` asks a handler over core NATS in
 * the wire format of Nest's own NATS transport. Uses the module's connection, which it leaves open.
 */
export class JetStreamClient extends ClientProxy<NatsEvents, JetStreamClientStatus> {
  private readonly logger = new Logger(JetStreamClient.name);
  private readonly events = new EventEmitter();
  private readonly responses = new NatsResponseJSONDeserializer();
  private readonly nc: NatsConnection;

  constructor(
    private readonly connection: JetStreamConnection,
    private readonly publisher: JetStreamPublisher,
  ) {
    super();
    this.nc = connection.nc;
    void this.followStatus();
    void this.nc.closed().then(() => this.close());
  }

  /** The connection is open from the start. */
  async connect(): Promise<NatsConnection> {
    if (this.nc.isClosed()) throw new ClosedConnectionError();
    return this.nc;
  }

  /** Fails the requests that wait for an answer. */
  close(): void {
    const waiting = [...this.routingMap.values()];
    this.routingMap.clear();
    for (const callback of waiting) (callback as PacketCallback)({ err: new ClosedConnectionError() });
  }

  unwrap<T = NatsConnection>(): T {
    return this.nc as T;
  }

  /** Calls back on `disconnect`, `reconnect` and `update` (of the cluster's servers), as `ClientNats` does. */
  override on<Event extends keyof NatsEvents>(event: Event, callback: NatsEvents[Event]): void {
    this.events.on(event, callback);
  }

  /**
   * Publishes at once, subscribed or not. Emits the stream's acknowledgement and completes, or fails with what
   * `JetStreamPublisher.publish` throws; a failure that nobody observes is logged. Bytes are published as they are,
   * everything else as JSON. Take a `JetStreamRecord` for a message id, headers or expectations.
   */
  override emit<TResult = PubAck, TInput = unknown>(pattern: unknown, data: TInput): Observable<TResult> {
    const outcome = new ReplaySubject<TResult>(1);
    from(this.publishEvent<TResult>(pattern, data)).subscribe({
      next: (ack) => outcome.next(ack),
      error: (error: unknown) => {
        if (!outcome.observed) this.logger.error({ err: error }, 'an event was not published');
        outcome.error(error);
      },
      complete: () => outcome.complete(),
    });
    return outcome.asObservable();
  }

  protected async dispatchEvent<T = PubAck>(packet: ReadPacket): Promise<T> {
    return (await this.publisher.publish(toMessage(this.normalizePattern(packet.pattern), packet))) as T;
  }

  protected publish(request: ReadPacket, callback: PacketCallback): () => void {
    const packet = this.assignPacketId(request);
    let subscription: Subscription | undefined;
    const withdraw = () => {
      this.routingMap.delete(packet.id);
      if (!this.nc.isClosed()) subscription?.unsubscribe();
    };
    try {
      const subject = this.normalizePattern(packet.pattern);
      requireLiteral(subject);
      const { data, options } = toRecord(packet.data);
      const reply = createInbox(this.connection.inboxPrefix);
      subscription = this.nc.subscribe(reply, {
        callback: (error, answer) =>
          error ? callback({ err: error }) : this.receive(answer, { id: packet.id, subject, callback }),
      });
      this.routingMap.set(packet.id, callback);
      this.nc.publish(subject, JSON.stringify({ ...packet, data }), {
        reply,
        ...(options.headers && { headers: toHeaders(options.headers) }),
      });
      return withdraw;
    } catch (error) {
      withdraw();
      callback({ err: error });
      return () => undefined;
    }
  }

  private async publishEvent<T>(pattern: unknown, data: unknown): Promise<T> {
    if (pattern === undefined || pattern === null || data === undefined || data === null) {
      throw new InvalidMessageError('an event needs a pattern and a payload', { subject: String(pattern) });
    }
    return this.dispatchEvent<T>(this.createPacket(pattern, data));
  }

  private receive(
    answer: Msg,
    { id, subject, callback }: { id: string; subject: string; callback: PacketCallback },
  ): void {
    try {
      if (answer.data.length === 0 && answer.headers?.code === NO_RESPONDERS) {
        callback({ err: new NoHandlerError(subject), isDisposed: true });
        return;
      }
      const packet = this.responses.deserialize(answer) as WritePacket & { id?: string };
      if (packet.id !== undefined && packet.id !== id) return;
      const { err, response, isDisposed } = packet;
      callback(isDisposed || err ? { err, response, isDisposed: true } : { response });
    } catch (error) {
      callback({ err: error });
    }
  }

  /** What one listener throws must neither keep the others from hearing nor end the following of the status. */
  private tell(event: keyof NatsEvents, what: unknown): void {
    for (const listener of this.events.listeners(event)) {
      try {
        listener(what);
      } catch (error) {
        this.logger.error({ err: error }, `a listener to "${event}" failed`);
      }
    }
  }

  private async followStatus(): Promise<void> {
    this._status$.next('connected');
    for await (const status of this.nc.status()) {
      switch (status.type) {
        case 'disconnect':
          this._status$.next('disconnected');
          this.tell('disconnect', status.server);
          break;
        case 'reconnecting':
          this._status$.next('reconnecting');
          break;
        case 'reconnect':
          this._status$.next('connected');
          this.tell('reconnect', status.server);
          break;
        case 'update':
          this.tell('update', { added: status.added, deleted: status.deleted });
          break;
        default:
      }
    }
    this._status$.next('disconnected');
  }
}

function toMessage(subject: string, { data, metadata }: ReadPacket<unknown>): OutgoingMessage {
  const { data: payload, options } = toRecord(data);
  const isBytes = payload instanceof Uint8Array;
  const contentType: Record<string, string> = isBytes ? {} : { 'content-type': 'application/json' };
  return {
    ...options,
    subject,
    data: isBytes ? payload : Buffer.from(JSON.stringify(payload)),
    headers: { ...contentType, ...metadata, ...options.headers },
  };
}

function toRecord(data: unknown): JetStreamRecord {
  if (data instanceof JetStreamRecord) return data;
  if (!(data instanceof NatsRecord)) return new JetStreamRecord(data, {});
  const headers = data.headers as MsgHdrs | undefined;
  const pairs = [...(headers?.keys() ?? [])].map((name) => [name, headers?.get(name) ?? '']);
  return new JetStreamRecord(data.data, { headers: Object.fromEntries(pairs) as Record<string, string> });
}

function toHeaders(record: Readonly<Record<string, string>>): MsgHdrs {
  const headers = createHeaders();
  for (const name in record) headers.set(name, record[name] ?? '');
  return headers;
}

function requireLiteral(subject: string): void {
  if (isValidPattern(subject) && isLiteral(subject)) return;
  throw new InvalidMessageError(`"${subject}" is no subject to send a request to`, { subject });
}
