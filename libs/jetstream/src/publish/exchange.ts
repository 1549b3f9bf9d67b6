import { MsgHdrsImpl, nuid, type NatsConnection } from '@nats-io/transport-node';
import type { AckInbox, Request } from './ack-inbox.js';
import type { OwnMessages } from './own-messages.js';
import type { WireHeaders, WireMessage } from './outgoing-message.js';
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
      const place = (sequence: number): WireHeaders => ({
        'Nats-Batch-Id': [batchId],
        'Nats-Batch-Sequence': [String(sequence)],
      });
      for (let index = 0; index < wires.length - 1; index++) {
        const wire = wires[index] ?? last;
        const { subject, data, headers } = encoded(wire, place(index + 1));
        this.nc.publish(subject, data, { headers });
      }
      const committing = { ...place(wires.length), 'Nats-Batch-Commit': ['1'] };
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

/** Takes the headers as they are: checked already, and the client's own check of each costs as much as sending it. */
function encoded({ subject, data, headers }: WireMessage, batchHeaders?: WireHeaders): Request {
  const all = MsgHdrsImpl.fromRecord(headers) as MsgHdrsImpl;
  for (const name in batchHeaders) all.headers.set(name, batchHeaders[name] ?? []);
  return { subject, data, headers: all };
}
