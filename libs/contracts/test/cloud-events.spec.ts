import { describe, expect, it } from '@jest/globals';
import { toHeaderValue } from '../src/cloud-events.js';
import { CONTENT_TYPES, decodeEvent, orderCreatedV2, type OrderCreated } from '../src/index.js';
import { encoderFor, sampleOf } from './samples.js';

const order = sampleOf(orderCreatedV2) as OrderCreated;
const subject = orderCreatedV2.subject;

function decodeEnvelope(envelope: unknown, contentType = 'application/cloudevents+json') {
  const header = (name: string) => (name === 'content-type' ? contentType : '');
  return decodeEvent({ subject, header, data: Buffer.from(JSON.stringify(envelope)) }).payload;
}

const envelope = {
  specversion: '1.0',
  id: order.messageId,
  source: '/shop',
  type: subject,
  data: orderCreatedV2.encode(order),
};

describe('CloudEvents', () => {
  it.each(CONTENT_TYPES)('have their context in the headers of what is published as %s', (contentType) => {
    const { headers } = encoderFor(contentType).encode(orderCreatedV2, order);
    expect(headers).toEqual({
      'content-type': contentType,
      'ce-specversion': '1.0',
      'ce-id': order.messageId,
      'ce-type': 'orders.created.v2',
      'ce-source': '/sampler',
      'ce-time': '2024-07-03T09:46:40.000Z',
      'ce-subject': order.orderId,
      'ce-datacontenttype': contentType,
    });
  });

  it('in binary mode are read by ce-datacontenttype where there is no content-type', () => {
    const { data } = encoderFor('application/avro').encode(orderCreatedV2, order);
    const header = (name: string) => (name === 'ce-datacontenttype' ? 'application/avro' : '');
    expect(decodeEvent({ subject, header, data }).payload).toEqual(order);
  });

  it.each(['application/cloudevents+json', 'application/CloudEvents+JSON; charset=UTF-8'])(
    'in structured mode are taken out of their envelope: %s',
    (contentType) => {
      expect(decodeEnvelope(envelope, contentType)).toEqual(order);
    },
  );

  it.each(CONTENT_TYPES)('in structured mode may carry %s as base64', (contentType) => {
    const { data: _, ...context } = envelope;
    const { data } = encoderFor(contentType).encode(orderCreatedV2, order);
    const data_base64 = Buffer.from(data).toString('base64');
    expect(decodeEnvelope({ ...context, datacontenttype: contentType, data_base64 })).toEqual(order);
  });

  it.each([
    ['of another version of the specification', { specversion: '0.3' }, 'specversion', 'CONTRACT_INVALID'],
    ['of another type than its subject', { type: 'orders.created.v1' }, 'type', 'CONTRACT_INVALID'],
    ['without data', { data: undefined }, 'data', 'CONTRACT_INVALID'],
    ['whose data_base64 are no text', { data_base64: 5 }, 'data_base64', 'CONTRACT_INVALID'],
    ['whose data_base64 are no Base64', { data_base64: 'e30=?e30=' }, 'data_base64', 'CONTRACT_INVALID'],
    [
      'whose data break the contract',
      { data: { ...envelope.data, lines: [{}] } },
      'lines[0].sku',
      'CONTRACT_INVALID',
    ],
    [
      'of a content type that nobody reads',
      { datacontenttype: 'text/xml' },
      'content-type',
      'CONTRACT_UNSUPPORTED_CONTENT_TYPE',
    ],
  ])('%s are refused', (_, change, path, code) => {
    expect(() => decodeEnvelope({ ...envelope, ...change })).toThrow(expect.objectContaining({ path, code }));
  });

  it.each(['application/cloudevents+protobuf', 'application/cloudevents-batch+json', 'text/plain'])(
    'in the format %s are refused',
    (contentType) => {
      expect(() => decodeEnvelope(envelope, contentType)).toThrow(
        expect.objectContaining({ code: 'CONTRACT_UNSUPPORTED_CONTENT_TYPE', path: 'content-type' }),
      );
    },
  );

  it('have header values that no text can break', () => {
    expect(toHeaderValue('a b"c%d\né€')).toBe('a%20b%22c%25d%0A%C3%A9%E2%82%AC');
  });
});

describe('the edge', () => {
  it('refuses a body that is too large before it looks at it', () => {
    const data = Buffer.alloc(1_048_577, '[');
    expect(() => decodeEvent({ subject, data })).toThrow(
      expect.objectContaining({ code: 'CONTRACT_TOO_LARGE', path: 'body' }),
    );
  });

  it('refuses what is nested too deep before it parses it', () => {
    const deep = '{"a":'.repeat(33);
    expect(() => decodeEvent({ subject, data: Buffer.from(deep) })).toThrow(
      expect.objectContaining({ code: 'CONTRACT_TOO_DEEP', path: 'body' }),
    );
  });

  it('reads 32 levels, and brackets in text as text', () => {
    const unknown = `${'['.repeat(31)}${']'.repeat(31)}`;
    const body = JSON.stringify({ ...orderCreatedV2.encode(order), note: `"${'{['.repeat(40)}\\` });
    const data = Buffer.from(`{"x":${unknown},${body.slice(1)}`);
    expect(decodeEvent({ subject, data }).payload).toEqual(order);
  });

  it('refuses an event that the service did not declare before it is published', () => {
    expect(() => encoderFor('application/json').encode({ ...orderCreatedV2 }, order)).toThrow(
      'does not declare',
    );
  });

  it('refuses an event that breaks its contract before it is published', () => {
    const wrong = { ...order, currency: 'euro' };
    expect(() => encoderFor('application/json').encode(orderCreatedV2, wrong)).toThrow(
      expect.objectContaining({ code: 'CONTRACT_INVALID', path: 'currency' }),
    );
  });

  it('says which versions it knows when it meets one of the future', () => {
    expect(() => decodeEvent({ subject: 'orders.created.v3', data: Buffer.from('{}') })).toThrow(
      expect.objectContaining({
        code: 'CONTRACT_UNKNOWN_VERSION',
        message:
          'v3 of "orders.created" is not known here, only v1 and v2; deploy what knows it, then redrive',
      }),
    );
  });
});

it('does not repeat a content type that it does not know: anybody can write anything there', () => {
  const header = (name: string) => (name === 'content-type' ? 'secret/4111111111111111' : '');
  const decode = () => decodeEvent({ subject: 'orders.created.v1', header, data: Buffer.from('{}') });
  expect(decode).toThrow('content-type: is not supported');
  expect(decode).not.toThrow('4111');
});
