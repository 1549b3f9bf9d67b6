import { nuid, type NatsConnection } from '@nats-io/transport-node';
import type { AckInbox, Request } from './ack-inbox.js';
import type { OwnMessages } from './own-messages.js';
import { asHeaders, field } from './header-fields.js';
import type { WireMessage } from './outgoing-message.js';
import { PublishError } from './publish-errors.js';
import { readAnswer, toPublishError, type ServerAck } from './server-answer.js';

const BATCH_HEADERS_BYTES = 100;

/** One attempt to have messages stored: sends them and reads the server's answer. */
export class Exchange {
  constructor(
    private readonly nc: NatsConnection,
    private readonly inbox: AckInbox,
    private readonly own: OwnMessages,
  ) {}

  /** @throws PublishError */
  async store(wire: WireMessage): Promise<ServerAck> {
    try {
      const ack = readAnswer(await this.inbox.request(encoded(wire)), wire);
      if (!ack.duplicate) this.own.add(ack.stream, ack.seq, ack.seq);
      return ack;
    } catch (cause) {
      throw toPublishError(cause, wire);
    }
  }

  /** True when every message is within the server's payload limit as a member of a batch. */
  fitInBatch(wires: readonly WireMessage[]): boolean {
    const limit = (this.nc.info?.max_payload ?? Infinity) - BATCH_HEADERS_BYTES;
    return wires.every(({ size }) => size <= limit);
  }

  /**
   * Stores all messages, with consecutive sequences, or none (ADR-50). Resolves with the ack of the last one.
   * @throws PublishError for the whole batch
   */
  async storeAtomically(wires: readonly WireMessage[], last: WireMessage): Promise<ServerAck> {
    try {
      const batchId = nuid.next();
      const id = field('Nats-Batch-Id', batchId);
      const place = (sequence: number) => id + field('Nats-Batch-Sequence', String(sequence));
      for (let index = 0; index < wires.length - 1; index++) {
        const wire = wires[index] ?? last;
        const { subject, data, headers } = encoded(wire, place(index + 1));
        this.nc.publish(subject, data, { headers });
      }
      const committing = place(wires.length) + field('Nats-Batch-Commit', '1');
      const ack = readAnswer(await this.inbox.request(encoded(last, committing)), last);
      // A server that does not know batches stores the messages one by one and counts none.
      if (ack.count !== wires.length) throw new PublishError('the server did not take the batch', last);
      this.own.add(ack.stream, ack.seq - wires.length + 1, ack.seq);
      return ack;
    } catch (cause) {
      throw toPublishError(cause, last);
    }
  }
}

function encoded({ subject, data, fields }: WireMessage, batchFields = ''): Request {
  return { subject, data, headers: asHeaders(fields + batchFields) };
}
