import { describe, expect, it } from '@jest/globals';
import { headers as createHeaders, type MsgHdrs } from '@nats-io/transport-node';
import { jsonCodec } from './codec.js';

const data = Buffer.from('{"n":1}');

function withId(id?: string): MsgHdrs {
  const headers = createHeaders();
  if (id !== undefined) headers.set('Nats-Msg-Id', id);
  return headers;
}

describe('plain JSON', () => {
  it.each([
    ['the id it was published with', withId('m'), 'm'],
    ['none when it was published without', withId(), undefined],
    ['none when it has no headers', undefined, undefined],
  ])('has for an id %s', (_, headers, messageId) => {
    expect(jsonCodec.decode({ subject: 'a', headers, data })).toEqual({ payload: { n: 1 }, messageId });
  });

  it('is read although its headers cannot be', () => {
    const message = {
      subject: 'a',
      data,
      get headers(): MsgHdrs {
        throw new Error('no headers by the rules of the client');
      },
    };
    expect(jsonCodec.decode(message)).toEqual({ payload: { n: 1 }, messageId: undefined });
  });
});
