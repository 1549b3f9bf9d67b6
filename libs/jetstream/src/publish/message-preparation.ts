import { randomUUID } from 'node:crypto';
import type { JetStreamConnection } from '../connection.js';
import { matches } from '../subject.js';
import {
  deliveryTime,
  toWire,
  type OutgoingMessage,
  type WireMessage,
  type WireSchedule,
} from './outgoing-message.js';
import { MessageTooLargeError, ServerTooOldError, StreamLacksFeatureError } from './publish-errors.js';
import { toPublishError } from './server-answer.js';
import type { ServerCapabilities } from './server-capabilities.js';

interface Feature {
  readonly name: string;
  readonly apiLevel: number;
  readonly version: string;
}

const MESSAGE_TTL: Feature = { name: 'a message TTL', apiLevel: 1, version: '2.11' };
const SCHEDULE: Feature = { name: 'a time of delivery', apiLevel: 2, version: '2.12' };

/** Turns messages into what is sent, and refuses those that this server could not store as asked. */
export class MessagePreparation {
  constructor(
    private readonly connection: JetStreamConnection,
    private readonly capabilities: ServerCapabilities,
  ) {}

  /**
   * Answers at once unless the server has to be asked for a feature first.
   * @throws PublishError when the message cannot be published as it is
   */
  prepare(message: OutgoingMessage): WireMessage | Promise<WireMessage> {
    if (message.ttlMs === undefined && message.deliverAt === undefined && message.delayMs === undefined) {
      return this.withinLimit(toWire(message));
    }
    return this.prepareGated({ ...message, messageId: message.messageId ?? randomUUID() });
  }

  /** True when the message is within the server's payload limit, headers included. */
  fits(wire: WireMessage): boolean {
    return wire.size <= (this.connection.nc.info?.max_payload ?? Infinity);
  }

  private withinLimit(wire: WireMessage): WireMessage {
    if (this.fits(wire)) return wire;
    const limit = this.connection.nc.info?.max_payload;
    throw new MessageTooLargeError(`${wire.size} bytes exceed the server's limit of ${limit} bytes`, wire);
  }

  private async prepareGated(message: OutgoingMessage & { messageId: string }): Promise<WireMessage> {
    const plain = toWire(message);
    try {
      if (message.ttlMs !== undefined) await this.require(MESSAGE_TTL, plain);
      const at = deliveryTime(message);
      if (!at) return this.withinLimit(plain);
      await this.require(SCHEDULE, plain);
      return this.withinLimit(toWire(message, await this.schedule(plain, at)));
    } catch (error) {
      throw toPublishError(error, plain);
    }
  }

  private async require({ name, apiLevel, version }: Feature, wire: WireMessage): Promise<void> {
    if ((await this.capabilities.apiLevel()) < apiLevel) throw new ServerTooOldError(name, version, wire);
  }

  /** A subject holds one schedule, so each message gets its own; the same id replaces its former schedule (ADR-51). */
  private async schedule(wire: WireMessage, at: Date): Promise<WireSchedule> {
    const { name, subjects, allow_msg_schedules: allowed } = await this.capabilities.streamOf(wire.subject);
    const subject = `schedules.${name}.${Buffer.from(wire.messageId).toString('base64url')}`;
    const lacks = (what: string) => {
      this.capabilities.forgetStreams();
      return new StreamLacksFeatureError(`stream ${name} lacks ${what}`, { ...wire, stream: name });
    };
    if (!allowed) throw lacks('allow_msg_schedules, which excludes discarding new messages');
    if (!subjects.some((pattern) => matches(pattern, subject)))
      throw lacks(`the subjects schedules.${name}.>`);
    return { subject, at };
  }
}
