import { JetStreamApiError, type JetStreamManager, type NextMsgRequest } from '@nats-io/jetstream';
import {
  OutageError,
  TopologyUnavailableError,
  type JetStreamConnection,
  type JetStreamPublisher,
} from '@slipstream/jetstream';
import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { HEAD_SUBJECT, HEADS_STREAM, headsStream } from './audit-storage.js';
import type { ChainEnd, SignedEnd } from './segments.repository.js';

const SUBJECT_PREFIX = `${HEAD_SUBJECT}.`;
const STREAM_NAME_IN_USE = 10_058;
const STREAM_NOT_FOUND = 10_059;

/** Where the log of a stream ended at some time. */
export interface ChainHead {
  readonly stream: string;
  readonly segments: number;
  readonly records: number;
  /** Hash of the last record. */
  readonly chain: string;
  readonly at: string;
}

const UNREADABLE: ChainHead = { stream: '', segments: 0, records: 0, chain: '', at: '' };

export interface AnchoredHead {
  readonly head: ChainHead;
  /** False when the head was not signed with this service's key. */
  readonly isGenuine: boolean;
}

type HeadConnection = Pick<JetStreamConnection, 'client' | 'manager'>;

/**
 * Signed ends of the logs, kept apart from the log: a stream that refuses deletion and purge. A chain alone shows what was
 * changed within it; that its newest part was cut off, or all of it was written anew, shows only against a head.
 */
export class ChainHeads {
  private readonly publicKey: KeyObject;

  private constructor(
    private readonly connection: HeadConnection,
    private readonly publisher: Pick<JetStreamPublisher, 'publish'>,
    private readonly key: KeyObject,
  ) {
    this.publicKey = createPublicKey(key);
  }

  /**
   * Creates the stream of heads where it is missing, unless it only binds.
   * @throws TopologyUnavailableError when it only binds and the stream is missing
   */
  static async open(
    connection: HeadConnection,
    publisher: Pick<JetStreamPublisher, 'publish'>,
    { key, replicas, onlyBinds = false }: { key: KeyObject; replicas: number; onlyBinds?: boolean },
  ): Promise<ChainHeads> {
    const manager = await connection.manager();
    if (onlyBinds) await requireStream(manager);
    else await createStream(manager, replicas);
    return new ChainHeads(connection, publisher, key);
  }

  /** Signs an end for the index: until its head is told, nothing else shows that nobody added to the log. */
  sign(end: ChainEnd): string {
    return sign(undefined, bytesOf(end), this.key).toString('base64');
  }

  isSigned({ signature, ...end }: SignedEnd): boolean {
    if (signature === null) return false;
    return verify(undefined, bytesOf(end), this.publicKey, Buffer.from(signature, 'base64'));
  }

  async publish({ stream, segments, records, chain, at }: ChainHead): Promise<void> {
    const head: ChainHead = { stream, segments, records, chain, at };
    const text = JSON.stringify(head);
    const signature = sign(undefined, Buffer.from(text), this.key).toString('base64');
    await this.publisher.publish({
      subject: `${SUBJECT_PREFIX}${stream}`,
      messageId: `${stream}:${segments}:${chain}`,
      data: Buffer.from(JSON.stringify({ head: text, signature })),
      headers: { 'content-type': 'application/json' },
    });
  }

  /** The newest head of a stream's log. */
  async latest(stream: string): Promise<AnchoredHead | undefined> {
    const manager = await this.connection.manager();
    const message = await manager.streams.getMessage(HEADS_STREAM, {
      last_by_subj: `${SUBJECT_PREFIX}${stream}`,
    });
    if (!message) return undefined;
    return this.read(message.data);
  }

  /**
   * Every head of a stream's log, the oldest first.
   * @throws OutageError when the server answers in part: a log that was cut off would look whole against the heads before
   */
  async *all(stream: string): AsyncIterable<AnchoredHead> {
    const manager = await this.connection.manager();
    const subject = `${SUBJECT_PREFIX}${stream}`;
    const newest = await manager.streams.getMessage(HEADS_STREAM, { last_by_subj: subject });
    // One by one, because a consumer is more than this service may create. There are as many heads as segments.
    for (let sequence = 1; ;) {
      const request = { seq: sequence, next_by_subj: subject } satisfies NextMsgRequest;
      const message = await manager.streams.getMessage(HEADS_STREAM, request);
      if (!message) {
        if (newest && newest.seq >= sequence) throw new OutageError(`${HEADS_STREAM} was read in part`);
        return;
      }
      yield this.read(message.data);
      sequence = message.seq + 1;
    }
  }

  private read(data: Uint8Array): AnchoredHead {
    try {
      const { head, signature } = JSON.parse(Buffer.from(data).toString()) as Record<string, string>;
      const signed = Buffer.from(head ?? '');
      const isGenuine = verify(undefined, signed, this.publicKey, Buffer.from(signature ?? '', 'base64'));
      return { head: JSON.parse(head ?? '') as ChainHead, isGenuine };
    } catch {
      // Anybody who may publish there can write anything.
      return { head: UNREADABLE, isGenuine: false };
    }
  }

  /** Streams of which there is a head. */
  async streams(): Promise<string[]> {
    const manager = await this.connection.manager();
    const { state } = await manager.streams.info(HEADS_STREAM, { subjects_filter: `${SUBJECT_PREFIX}*` });
    return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(SUBJECT_PREFIX.length));
  }
}

/** A list, which no head is: neither can stand for the other. */
function bytesOf({ stream, segments, records, chain }: ChainEnd): Buffer {
  return Buffer.from(JSON.stringify([stream, segments, records, chain]));
}

async function requireStream(manager: JetStreamManager): Promise<void> {
  try {
    await manager.streams.info(HEADS_STREAM);
  } catch (cause) {
    if (!hasCode(cause, STREAM_NOT_FOUND)) throw cause;
    const problem = `there is no stream ${HEADS_STREAM}; create it with "slipstream streams apply"`;
    throw new TopologyUnavailableError(problem, undefined, { cause });
  }
}

async function createStream(manager: JetStreamManager, replicas: number): Promise<void> {
  try {
    await manager.streams.add(headsStream(replicas));
  } catch (error) {
    // It is there, with settings an operator chose.
    if (!hasCode(error, STREAM_NAME_IN_USE)) throw error;
  }
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}
