import { describe, expect, it } from '@jest/globals';
import { headers as createHeaders, type MsgHdrs } from '@nats-io/transport-node';
import type { EncodedMessage } from '../codec.js';
import { nestPacketCodec } from './nest-packet.codec.js';

/** As the client's messages do, has its parts on the prototype. */
class Received implements EncodedMessage {
  get subject(): string {
    return 'orders.created';
  }

  get headers(): MsgHdrs {
    const headers = createHeaders();
    headers.set('ce-id', 'e1');
    return headers;
  }

  get data(): Uint8Array {
    return Buffer.from(JSON.stringify({ pattern: this.subject, data: { n: 1 } }));
  }
}

describe('the codec of Nest packets', () => {
  it('hands the headers of a packet to the codec of its payload', () => {
    const codec = nestPacketCodec({
      decode: ({ headers, data }) => ({
        payload: JSON.parse(Buffer.from(data).toString()) as unknown,
        messageId: headers?.get('ce-id'),
      }),
    });
    expect(codec.decode(new Received())).toEqual({ payload: { n: 1 }, messageId: 'e1' });
  });
});
