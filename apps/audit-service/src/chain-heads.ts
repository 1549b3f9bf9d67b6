import { DiscardPolicy, JetStreamApiError, StorageType } from '@nats-io/jetstream';
import type { JetStreamConnection, JetStreamPublisher } from '@slipstream/jetstream';
import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

const HEADS_STREAM = 'AUDIT_HEADS';
const SUBJECT_PREFIX = 'audit.heads.';
const STREAM_NAME_IN_USE = 10_058;
const PAGE = 1_000;

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

  /** Creates the stream of heads where it is missing. */
  static async open(
    connection: HeadConnection,
    publisher: Pick<JetStreamPublisher, 'publish'>,
    { key, replicas }: { key: KeyObject; replicas: number },
  ): Promise<ChainHeads> {
    const manager = await connection.manager();
    try {
      await manager.streams.add({
        name: HEADS_STREAM,
        subjects: [`${SUBJECT_PREFIX}*`],
        storage: StorageType.File,
        discard: DiscardPolicy.New,
        num_replicas: replicas,
        deny_delete: true,
        deny_purge: true,
      });
    } catch (error) {
      // It is there, with settings an operator chose.
      if (!(error instanceof JetStreamApiError) || error.code !== STREAM_NAME_IN_USE) throw error;
    }
    return new ChainHeads(connection, publisher, key);
  }

  async publish(head: ChainHead): Promise<void> {
    const text = JSON.stringify(head);
    const signature = sign(undefined, Buffer.from(text), this.key).toString('base64');
    await this.publisher.publish({
      subject: `${SUBJECT_PREFIX}${head.stream}`,
      messageId: `${head.stream}:${head.segments}:${head.chain}`,
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

  /** Every head of a stream's log, the oldest first. */
  async *all(stream: string): AsyncIterable<AnchoredHead> {
    const filter = `${SUBJECT_PREFIX}${stream}`;
    const consumer = await this.connection.client.consumers.get(HEADS_STREAM, { filter_subjects: filter });
    let left = (await consumer.info()).num_pending;
    while (left > 0) {
      const before = left;
      for await (const message of await consumer.fetch({ max_messages: Math.min(left, PAGE) })) {
        left--;
        yield this.read(message.data);
      }
      if (left === before) throw new Error(`the heads of ${stream} cannot be read; ${left} are missing`);
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
