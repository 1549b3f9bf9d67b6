import { jetstream } from '@nats-io/jetstream';
import { MsgHdrsImpl, nuid, type NatsConnection } from '@nats-io/transport-node';

/** What is published, with the id that the stream's duplicate window knows it by. */
export interface RawMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly messageId: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One by one through the client, `inFlight` at a time. */
export async function publishRawSingles(
  nc: NatsConnection,
  messages: readonly RawMessage[],
  inFlight: number,
): Promise<void> {
  const client = jetstream(nc);
  for (let sent = 0; sent < messages.length; sent += inFlight) {
    await Promise.all(
      messages
        .slice(sent, sent + inFlight)
        .map(({ subject, data, messageId }) => client.publish(subject, data, { msgID: messageId })),
    );
  }
}

/** Atomic batches one after the other, without anything a publisher needs beside: no checks, no fallback, no order. */
export async function publishRawBatches(
  nc: NatsConnection,
  messages: readonly RawMessage[],
  size: number,
): Promise<void> {
  for (let sent = 0; sent < messages.length; sent += size) {
    const batch = messages.slice(sent, sent + size);
    const batchId = nuid.next();
    const last = batch.length - 1;
    for (const [index, { subject, data, headers, messageId }] of batch.entries()) {
      const record: Record<string, string[]> = {
        'Nats-Msg-Id': [messageId],
        'Nats-Batch-Id': [batchId],
        'Nats-Batch-Sequence': [String(index + 1)],
      };
      for (const name in headers) record[name] = [headers[name] ?? ''];
      if (index < last) {
        nc.publish(subject, data, { headers: MsgHdrsImpl.fromRecord(record) });
        continue;
      }
      record['Nats-Batch-Commit'] = ['1'];
      const answer = await nc.request(subject, data, {
        headers: MsgHdrsImpl.fromRecord(record),
        timeout: 10_000,
      });
      const { count } = answer.json<{ count?: number }>();
      if (count !== batch.length) throw new Error(`the server refused a batch: ${answer.string()}`);
    }
  }
}
