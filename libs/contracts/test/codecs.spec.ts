import { fromBinary, fromJson, toBinary, toJson, toJsonString } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from '@jest/globals';
import avro from 'avsc';
import { avroCodec } from '../src/codecs/avro.codec.js';
import { fingerprintOf } from '../src/codecs/avro-fingerprint.js';
import type { Fields } from '../src/codecs/codec.js';
import { jsonSchemaCodec } from '../src/codecs/json-schema.codec.js';
import { protoJsonCodec } from '../src/codecs/proto-json.codec.js';
import { protobufCodec } from '../src/codecs/protobuf.codec.js';
import {
  ContractError,
  contracts,
  decodeEvent,
  orderCreatedV1,
  orderCreatedV2,
  paymentFailedV1,
} from '../src/index.js';
import { testCodec } from './codec.conformance.js';
import { encoderFor, received, sampleOf } from './samples.js';

const withUnknownJson = (fields: Fields) =>
  Buffer.from(JSON.stringify({ ...fields, colour: { hue: [1, 2] } }));
const nested = (depth: number) => Buffer.from(`{"message_id":${'['.repeat(depth)}${']'.repeat(depth)}}`);
const malformedJson = {
  'an empty body': Buffer.from(''),
  'a cut body': Buffer.from('{"message_id": "a'),
  'bytes that are no UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
  'an array': Buffer.from('[]'),
  'a number': Buffer.from('1'),
  null: Buffer.from('null'),
  'what is nested 33 deep': nested(32),
  'what is nested a hundred thousand deep': nested(100_000),
};

/** Groups within groups, which nobody writes any more and every parser follows. */
function nestedGroups(depth: number): Uint8Array {
  const writer = new BinaryWriter();
  for (let level = 0; level < depth; level++) writer.tag(99, WireType.StartGroup);
  for (let level = 0; level < depth; level++) writer.tag(99, WireType.EndGroup);
  return writer.finish();
}

const withMarker = (...bytes: number[]) => Buffer.from([0xc3, 0x01, ...bytes]);
/** A list of that many elements in a datum of a few bytes. */
const longList = (count: bigint) => {
  const type = avro.Type.forSchema({
    type: 'record',
    name: 'R',
    fields: ['a', 'b', 'c'].map((name) => ({ name, type: 'string' })),
  });
  const head = type.toBuffer({ a: 'm-1', b: 'o-1', c: 'c-1' });
  const varint: number[] = [];
  for (let rest = count * 2n; rest > 0n; rest >>= 7n)
    varint.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
  return Buffer.concat([head, Buffer.from([2, 6, 85, 83, 68, 2, ...varint])]);
};

testCodec({ codec: protoJsonCodec, malformed: malformedJson, withUnknownField: withUnknownJson });
testCodec({ codec: jsonSchemaCodec, malformed: malformedJson, withUnknownField: withUnknownJson });
testCodec({
  codec: protobufCodec,
  malformed: {
    'a length beyond the end': Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]),
    'a cut varint': Buffer.from([0x18, 0xff]),
    'field number zero': Buffer.from([0x00, 0x01]),
    'text that is no UTF-8': Buffer.from([0x0a, 0x02, 0xc3, 0x28]),
    'an empty body, which lacks every field': new Uint8Array(),
    'groups nested 33 deep': nestedGroups(33),
    'groups nested a hundred thousand deep': nestedGroups(100_000),
  },
  withUnknownField: (fields) => {
    const unknown = new BinaryWriter().tag(1_000, WireType.LengthDelimited).string('red').finish();
    return Buffer.concat([protobufCodec.of(paymentFailedV1.type).encode(fields), unknown]);
  },
});
testCodec({
  codec: avroCodec,
  malformed: {
    'an empty body': new Uint8Array(),
    'a schema that nobody knows': withMarker(1, 2, 3, 4, 5, 6, 7, 8),
    'a marker alone': withMarker(),
    'a marker and half a fingerprint': withMarker(1, 2, 3, 4),
    'a text beyond the end': Buffer.from([0x7e, 0x61]),
    'a text of negative length': Buffer.from([0x01]),
    'a text that is no UTF-8': Buffer.from([0x04, 0xc3, 0x28]),
    'a number that never ends': Buffer.alloc(64, 0xff),
    'bytes after the end': Buffer.concat([
      encoderFor('application/avro').encode(paymentFailedV1, { ...sampleOf(paymentFailedV1), reason: '' })
        .data,
      Buffer.from([0]),
    ]),
  },
  // A datum has what its schema has, and nothing else.
  withUnknownField: undefined,
});

describe('ProtoJSON', () => {
  const decode = (body: unknown, subject = 'orders.created.v1') =>
    decodeEvent({ subject, data: Buffer.from(JSON.stringify(body)) }).payload;

  it.each(contracts)('as the reference implementation writes it is read: $subject', (contract) => {
    const event = sampleOf(contract);
    const { protobuf } = contract.type;
    const bytes = encoderFor('application/protobuf').encode(contract, event).data;
    // camelCase, and 64-bit integers as text.
    const canonical = toJsonString(protobuf, fromBinary(protobuf, bytes));
    expect(decodeEvent({ subject: contract.subject, data: Buffer.from(canonical) }).payload).toEqual(event);
  });

  it.each(contracts)('as we write it is read by the reference implementation: $subject', (contract) => {
    const { protobuf } = contract.type;
    const [json, bytes] = ['application/json', 'application/protobuf'].map(
      (contentType) => encoderFor(contentType).encode(contract, sampleOf(contract)).data,
    );
    const message = fromJson(protobuf, JSON.parse(Buffer.from(json ?? []).toString()));
    expect(toJson(protobuf, message)).toEqual(
      toJson(protobuf, fromBinary(protobuf, bytes ?? new Uint8Array())),
    );
    expect(toBinary(protobuf, message)).toEqual(new Uint8Array(bytes ?? []));
  });

  it('takes null for absent, and numbers in quotes', () => {
    const order = {
      messageId: 'm-1',
      order_id: 'o-1',
      customerId: 'c-1',
      totalAmount: '99.95',
      createdAt: '1720000000000',
      currency: null,
      totalMinor: null,
      lines: [{ sku: 'a', quantity: '2', unitPriceMinor: '1e3' }],
    };
    expect(decode(order)).toEqual({
      messageId: 'm-1',
      orderId: 'o-1',
      customerId: 'c-1',
      createdAt: 1_720_000_000_000,
      currency: 'USD',
      totalMinor: 9_995,
      lines: [{ sku: 'a', quantity: 2, unitPriceMinor: 1_000 }],
    });
  });

  it.each([
    ['a field under both names', { orderId: 'o-2' }, 'order_id'],
    ['a number that is none', { created_at: '12a' }, 'created_at'],
    ['an integer beyond 2^53', { total_minor: '9007199254740993' }, 'total_minor'],
    ['an amount that is not finite', { total_amount: 'Infinity' }, 'total_amount'],
    [
      'a wrong line under its other name',
      { lines: [{ sku: 'a', quantity: 1, unitPriceMinor: -1 }] },
      'lines[0].unit_price_minor',
    ],
    ['a required field that is null', { customer_id: null }, 'customer_id'],
  ])('refuses %s', (_, change, path) => {
    const order = { message_id: 'm-1', order_id: 'o-1', customer_id: 'c-1', total_amount: 1, created_at: 1 };
    expect(() => decode({ ...order, ...change })).toThrow(
      expect.objectContaining({ code: 'CONTRACT_INVALID', path }),
    );
  });
});

describe('JSON by its schema', () => {
  it('takes no other names and no numbers in quotes', () => {
    const header = () => 'application/schema-instance+json';
    for (const [change, path] of [
      [{ created_at: '1' }, 'created_at'],
      [{ order_id: undefined, orderId: 'o-1' }, 'order_id'],
    ] as const) {
      const fields = { ...orderCreatedV2.encode(sampleOf(orderCreatedV2) as never), ...change };
      const data = Buffer.from(JSON.stringify(fields));
      expect(() => decodeEvent({ subject: 'orders.created.v2', header, data })).toThrow(
        expect.objectContaining({ path }),
      );
    }
  });
});

describe('Avro', () => {
  const header = () => 'application/avro';

  it.each([
    ['"null"', '63dd24e7cc258f8a'],
    ['"int"', '7275d51a3f395c8f'],
    ['"string"', '8f014872634503c7'],
  ])('has the fingerprint of the specification for %s', (schema, expected) => {
    expect(Buffer.from(fingerprintOf(schema).toReversed()).toString('hex')).toBe(expected);
  });

  it('without the marker of its schema is read with the newest one', () => {
    const { subject, data } = encoderFor('application/avro').encode(
      orderCreatedV1,
      sampleOf(orderCreatedV1) as never,
    );
    expect(decodeEvent({ subject, header, data: data.subarray(10) }).payload).toEqual(
      sampleOf(orderCreatedV1),
    );
  });

  it('of an earlier schema is read as long as the schema is kept', () => {
    const { avroSchemas, ...type } = paymentFailedV1.type;
    const [newest] = avroSchemas as unknown as [{ fields: object[] }];
    const later = {
      ...newest,
      fields: [...newest.fields, { name: 'colour', type: ['null', 'string'], default: null }],
    };
    const fields = paymentFailedV1.encode(sampleOf(paymentFailedV1) as never);
    const recorded = avroCodec.of(paymentFailedV1.type).encode(fields);
    const evolved = avroCodec.of({ ...type, avroSchemas: [later, newest] });
    expect({ ...(evolved.decode(recorded) as object) }).toEqual({ ...fields, colour: undefined });
    const forgetful = avroCodec.of({ ...type, avroSchemas: [later] });
    expect(() => forgetful.decode(recorded)).toThrow('is Avro of a schema that is not known here');
  });

  it.each([2n ** 31n, 2n ** 52n, 2n ** 62n])('does not wait for a list that claims %d elements', (count) => {
    const data = longList(count);
    expect(() => decodeEvent({ subject: 'inventory.reserved.v1', header, data })).toThrow(ContractError);
  });

  it('names the list that claims more elements than there are bytes', () => {
    const { subject, data } = encoderFor('application/avro').encode(orderCreatedV2, {
      ...sampleOf(orderCreatedV2),
      lines: [],
    } as never);
    const cut = Buffer.concat([data.subarray(0, -1), Buffer.from([0x80, 0x80, 0x80, 0x10])]);
    expect(() => decodeEvent({ subject, header, data: cut })).toThrow(
      expect.objectContaining({ path: 'lines' }),
    );
  });
});

it('an event that is read in one encoding is the same in every other', () => {
  for (const contract of contracts) {
    const payloads = ['application/json', 'application/protobuf', 'application/avro'].map(
      (contentType) =>
        decodeEvent(received(encoderFor(contentType).encode(contract, sampleOf(contract)))).payload,
    );
    expect(payloads[1]).toEqual(payloads[0]);
    expect(payloads[2]).toEqual(payloads[0]);
  }
});
