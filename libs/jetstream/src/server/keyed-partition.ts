import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import type { JetStreamConnection } from '../connection.js';
import { parseDeliveryInfo, type DeliveryInfo } from './delivery-info.js';
import type { HoldingSettler } from './holding-settler.js';
import { KeyedDelivery } from './keyed-delivery.js';
import { keyedWindowOf, PIN_GROUP, pinTimeoutMs } from './keyed-plan.js';
import { partitionOf, type OrderingKeys } from './ordering-key.js';
import { PinnedPull } from './pinned-pull.js';
import type { ConsumerPlan } from './routes.js';

const CHECK_DELAYS_MS = [50, 100, 200, 400, 800];
/** Bytes that all partitions of a durable hold together before they ask for no more. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** A consumer as the server describes it, with what the client's types leave out. */
type PinnedConsumerInfo = ConsumerInfo & {
  readonly priority_groups?: readonly { readonly group: string; readonly pinned_client_id?: string }[];
};

export interface PartitionListener {
  /** A message of this partition came; its lane may be closed. */
  onDelivery(delivery: KeyedDelivery): void;
  /** Everything older is at hand: lanes may start. */
  onOpen(track: number): void;
  onClose(track: number): void;
  /** The partition belongs to another process now; what is not running must be given back. */
  onLost(track: number): void;
  onCredit(): void;
  onTrouble(reason: string): void;
}

export interface PartitionParts {
  readonly connection: Pick<JetStreamConnection, 'nc' | 'inboxPrefix' | 'manager'>;
  readonly keys: OrderingKeys;
  readonly settler: HoldingSettler;
}

/**
 * One share of the keys. Every partition reads all messages and passes those of other partitions; the server serves a
 * partition to one process at a time.
 *
 * The server's consumer sequence counts deliveries, so a gap tells that somebody else got some, or that some were lost.
 * Then nothing starts until everything that was delivered and not settled has come here: the server brings new messages
 * before it repeats the older ones of a dead process.
 */
export class KeyedPartition {
  private readonly logger = new Logger(KeyedPartition.name);
  private readonly pull: PinnedPull;
  private readonly window: number;
  private readonly maxBytes: number;
  private readonly held = new Map<number, KeyedDelivery>();
  /** Messages of other partitions that came while it was closed; acked then, they would blur what is missing. */
  private readonly passing = new Map<number, Msg>();
  /** Time of storage by sequence of what was settled here last: an ack that was lost must not run it twice. */
  private readonly settled = new Map<number, number>();
  private heldBytes = 0;
  /** A consumer that nobody has read from starts at 1. */
  private expected: number | undefined = 1;
  private state: 'standby' | 'collecting' | 'open' = 'standby';
  private tenure = 0;
  private doubts = 0;
  private examining = 0;

  constructor(
    readonly plan: ConsumerPlan,
    private readonly track: number,
    private readonly durable: string,
    private readonly parts: PartitionParts,
    private readonly listener: PartitionListener,
  ) {
    const { options, stream } = plan;
    this.window = keyedWindowOf(options);
    this.maxBytes = MAX_HELD_BYTES / options.partitions;
    const { nc, inboxPrefix } = parts.connection;
    this.pull = new PinnedPull(
      nc,
      { stream: stream.name, consumer: options.durable, inboxPrefix, pinTimeoutMs: pinTimeoutMs(options) },
      {
        onMessage: (message) => this.receive(message),
        onCredit: () => listener.onCredit(),
        onPinLost: () => this.lose(),
        onTrouble: (reason) => listener.onTrouble(reason),
      },
    );
  }

  get isHeld(): boolean {
    return this.pull.pinId !== undefined;
  }

  get heldCount(): number {
    return this.held.size;
  }

  get silentMs(): number {
    return this.pull.silentMs;
  }

  get isSilent(): boolean {
    return this.pull.isSilent;
  }

  deliveries(): Iterable<KeyedDelivery> {
    return this.held.values();
  }

  start(): void {
    this.pull.start();
  }

  /** @param mayTake whether to ask for a partition that this process does not hold */
  ask(mayTake: boolean): void {
    if (!this.isHeld && !mayTake) return;
    const isFull = this.heldBytes >= this.maxBytes;
    this.pull.topUp(isFull ? 0 : this.window - this.held.size - this.passing.size, this.window);
  }

  /** True while the delivery may be tried again here. */
  owns({ place }: KeyedDelivery): boolean {
    return this.isHeld && place.tenure === this.tenure;
  }

  /** Puts a delivery in the place of the one it repeats. */
  replace(delivery: KeyedDelivery): void {
    this.held.set(delivery.sequence, delivery);
  }

  /** The delivery was settled, or given back. */
  letGo(delivery: KeyedDelivery, isSettled: boolean): void {
    if (this.held.delete(delivery.sequence)) this.heldBytes -= delivery.bytes;
    if (!isSettled) {
      // It ran while the partition was lost and taken back, and counted as being here: its successors must wait for it again.
      if (!this.owns(delivery)) this.doubt();
      return;
    }
    this.settled.set(delivery.sequence, delivery.info.timestampMs);
    if (this.settled.size > 2 * this.window) this.settled.delete(this.settled.keys().next().value ?? 0);
  }

  /** What the server was asked is void; what is held may have gone to another process meanwhile. */
  reconnected(): void {
    this.pull.reset();
    this.doubt();
  }

  /** Starts nothing until the server has confirmed that all is here. */
  doubt(): void {
    if (this.isHeld) this.collect();
  }

  /** Stands by, and forgets where the server was. */
  lose(): void {
    const wasHeld = this.isHeld;
    this.close('standby');
    this.tenure++;
    this.expected = undefined;
    this.pull.dropPin();
    this.passAll();
    this.listener.onLost(this.track);
    if (wasHeld) this.log('released');
  }

  /** Hands the partition to a process that stands by, without waiting for the time-out of the pin. */
  async release(): Promise<void> {
    const wasHeld = this.isHeld;
    this.lose();
    if (!wasHeld) return;
    const { stream, options } = this.plan;
    const manager = await this.parts.connection.manager();
    await manager.consumers.unpin(stream.name, options.durable, PIN_GROUP);
  }

  /** Takes nothing new. What is still on the wire comes before this resolves. */
  async stop(): Promise<void> {
    await this.pull.stop();
  }

  private receive(message: Msg): void {
    const info = parseDeliveryInfo(message.reply, this.durable);
    if (!info) return;
    const isContiguous = info.consumerSequence === this.expected;
    this.expected = info.consumerSequence + 1;
    if (!isContiguous) this.collect();
    else if (this.state === 'standby') this.open();
    if (this.isKnown(message, info)) return;
    const key = this.parts.keys.read(message, info);
    if (partitionOf(key, this.plan.options.partitions) === this.track) this.hold(message, info, key);
    else if (this.state === 'open') this.parts.settler.pass(message);
    else this.passing.set(info.streamSequence, message);
  }

  /** True for what is held already, because its ack wait ran out, and for what was settled by an ack that got lost. */
  private isKnown(message: Msg, { streamSequence, timestampMs, deliveryCount }: DeliveryInfo): boolean {
    if (this.held.has(streamSequence)) return true;
    // A first delivery of a known sequence comes from a stream or consumer that was created anew.
    if (deliveryCount === 1 || this.settled.get(streamSequence) !== timestampMs) return false;
    this.parts.settler.pass(message);
    return true;
  }

  private hold(message: Msg, info: DeliveryInfo, key: string): void {
    const delivery = new KeyedDelivery(message, info, { key, track: this.track, tenure: this.tenure });
    this.held.set(delivery.sequence, delivery);
    this.heldBytes += delivery.bytes;
    this.listener.onDelivery(delivery);
  }

  /** Keeps the lanes closed while something is found out about a delivery. */
  async examine(question: () => Promise<void>): Promise<void> {
    this.examining++;
    await question().finally(() => this.examining--);
  }

  private collect(): void {
    this.close('collecting');
    void this.waitForAll(++this.doubts);
  }

  private async waitForAll(doubt: number): Promise<void> {
    let confirmations = 0;
    const isCurrent = () => this.state === 'collecting' && this.doubts === doubt;
    for (let round = 0; isCurrent(); round++) {
      await delay(CHECK_DELAYS_MS[Math.min(round, CHECK_DELAYS_MS.length - 1)] ?? 0);
      const info = await this.askServer();
      if (!info || !isCurrent()) continue;
      if (!this.isPinned(info)) return this.lose();
      // Twice, because a process that has just learnt of its loss may be giving back.
      confirmations = this.hasAll(info) ? confirmations + 1 : 0;
      if (confirmations < 2) continue;
      this.passAll();
      this.open();
      this.log('taken');
    }
  }

  private async askServer(): Promise<PinnedConsumerInfo | undefined> {
    try {
      const manager: JetStreamManager = await this.parts.connection.manager();
      return await manager.consumers.info(this.plan.stream.name, this.plan.options.durable);
    } catch (error) {
      this.logger.debug(
        { err: error, consumer: this.plan.options.durable },
        'could not ask about a partition',
      );
      return undefined;
    }
  }

  private isPinned({ priority_groups: groups = [] }: PinnedConsumerInfo): boolean {
    const { pinId } = this.pull;
    return groups.some(({ group, pinned_client_id: pinned }) => group === PIN_GROUP && pinned === pinId);
  }

  /** True when whatever the server delivered and has not seen settled is at hand. */
  private hasAll({ delivered, num_ack_pending: unsettled }: PinnedConsumerInfo): boolean {
    let present = 0;
    for (const sequence of this.held.keys()) if (sequence <= delivered.stream_seq) present++;
    for (const sequence of this.passing.keys()) if (sequence <= delivered.stream_seq) present++;
    return this.examining === 0 && present >= unsettled;
  }

  private open(): void {
    this.state = 'open';
    this.listener.onOpen(this.track);
  }

  private close(state: 'standby' | 'collecting'): void {
    this.state = state;
    this.listener.onClose(this.track);
  }

  private passAll(): void {
    for (const message of this.passing.values()) this.parts.settler.pass(message);
    this.passing.clear();
  }

  private log(what: string): void {
    const { stream, options } = this.plan;
    this.logger.log(
      { stream: stream.name, consumer: options.durable, held: this.held.size },
      `partition ${what}`,
    );
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
