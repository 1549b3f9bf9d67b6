import type { OutgoingMessage } from '../publish/outgoing-message.js';

/** How an event is published. */
export type JetStreamRecordOptions = Omit<OutgoingMessage, 'subject' | 'data'>;

/** Payload for `JetStreamClient.emit` with the message id, headers or expectations it is published with. */
export class JetStreamRecord<T = unknown> {
  constructor(
    readonly data: T,
    readonly options: JetStreamRecordOptions,
  ) {}
}
