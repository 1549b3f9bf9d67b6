import { decodeEvent } from '@slipstream/contracts';
import { headerOf, readHeaders, type MessageCodec } from '@slipstream/jetstream';

/** Reads messages of the streams as the events of the contracts. */
export const eventCodec: MessageCodec = {
  decode: (message) =>
    decodeEvent({
      subject: message.subject,
      data: message.data,
      header: (name) => headerOf(readHeaders(message), name),
    }),
};
