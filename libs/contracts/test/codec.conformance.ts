import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Codec, Fields } from '../src/codecs/codec.js';
import { contracts, decodeEvent, type EventContract, type OrderCreated } from '../src/index.js';
import { encoderFor, received, sampleOf } from './samples.js';

export interface CodecUnderTest {
  readonly codec: Codec;
  /** Bytes that are none of its content type, and what is wrong with each. */
  readonly malformed: Readonly<Record<string, Uint8Array>>;
  /** Bytes of a `payments.failed.v1` that holds a field nobody knows; undefined when it can carry none. */
  readonly withUnknownField: ((fields: Fields) => Uint8Array) | undefined;
}

const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const orders: fc.Arbitrary<OrderCreated> = fc.record({
  messageId: id,
  orderId: id,
  createdAt: fc.integer({ min: 0, max: 8_640_000_000_000_000 }),
  customerId: id,
  currency: fc.constantFrom('USD', 'JPY', 'BHD'),
  totalMinor: fc.integer({ min: 0, max: 9_007_199_254_740 }),
  lines: fc.array(
    fc.record({
      sku: fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/),
      quantity: fc.integer({ min: 1, max: 1_000_000 }),
      unitPriceMinor: fc.integer({ min: 0, max: 9_007_199_254_740_990 }),
    }),
    { maxLength: 20 },
  ),
});

/** What every codec has to do. */
export function testCodec({ codec, malformed, withUnknownField }: CodecUnderTest): void {
  const [contentType] = codec.contentTypes;
  const encoder = encoderFor(contentType);

  describe(`the codec of ${contentType}`, () => {
    it.each(contracts)('gives back every field of $subject', (contract) => {
      const event = sampleOf(contract);
      const message = encoder.encode(contract, event);
      expect(message.headers).toMatchObject({
        'content-type': contentType,
        'ce-datacontenttype': contentType,
      });
      expect(decodeEvent(received(message)).payload).toEqual(event);
    });

    it('gives back any order there can be', () => {
      const versions = contracts.filter(
        ({ name }) => name === 'orders.created',
      ) as EventContract<OrderCreated>[];
      fc.assert(
        fc.property(orders, fc.constantFrom(...versions), (order, version) => {
          expect(decodeEvent(received(encoder.encode(version, order))).payload).toEqual(order);
        }),
        { numRuns: 500 },
      );
    });

    it.each(codec.contentTypes.flatMap((type) => [type, type.toUpperCase(), `${type}; charset=utf-8`]))(
      'is chosen by "%s"',
      (spelled) => {
        const [contract] = contracts;
        if (!contract) throw new Error('there are no contracts');
        const message = received(encoder.encode(contract, sampleOf(contract)));
        const header = (name: string) => (name === 'content-type' ? spelled : '');
        expect(decodeEvent({ ...message, header }).payload).toEqual(sampleOf(contract));
      },
    );

    it.each(Object.keys(malformed))('refuses %s', (what) => {
      const header = () => contentType;
      const data = malformed[what] ?? new Uint8Array();
      const decode = () => decodeEvent({ subject: 'payments.failed.v1', header, data });
      expect(decode).toThrow(
        expect.objectContaining({
          name: 'ContractError',
          code: expect.stringMatching(/^CONTRACT_(MALFORMED|TOO_DEEP|INVALID)$/),
          path: expect.stringMatching(/./),
        }),
      );
    });

    it('names the field that breaks the contract', () => {
      const contract = contracts.find(({ subject }) => subject === 'orders.created.v2');
      if (!contract) throw new Error('orders.created.v2 is gone');
      const fields = contract.encode(sampleOf(contract)) as Fields & { lines: Fields[] };
      const wrong = { ...fields, lines: [fields.lines[0], { ...fields.lines[1], quantity: 0 }] };
      const data = codec.of(contract.type).encode(wrong);
      expect(() => decodeEvent({ subject: contract.subject, header: () => contentType, data })).toThrow(
        expect.objectContaining({ code: 'CONTRACT_INVALID', path: 'lines[1].quantity' }),
      );
    });

    if (!withUnknownField) return;
    it('keeps what it does not know', () => {
      const contract = contracts.find(({ subject }) => subject === 'payments.failed.v1');
      if (!contract) throw new Error('payments.failed.v1 is gone');
      const event = sampleOf(contract);
      const data = withUnknownField(contract.encode(event));
      const message = { subject: contract.subject, header: () => contentType, data };
      expect(decodeEvent(message).payload).toEqual(event);
      const typed = codec.of(contract.type);
      expect(Buffer.from(typed.encode(typed.decode(data) as Fields))).toEqual(Buffer.from(data));
    });
  });
}
