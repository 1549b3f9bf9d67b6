import { describe, expect, it } from '@jest/globals';
import { MsgHdrsImpl } from '@nats-io/transport-node';
import fc from 'fast-check';
import { asHeaders } from './header-fields.js';
import { toWire } from './outgoing-message.js';
import { InvalidMessageError } from './publish-errors.js';

const data = new Uint8Array(3);
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('a', '-', ':', ' ', '\r', '\n', '\t', 'ä') }),
);

describe('a message on the wire', () => {
  it('has one line for each header, whatever names and values are', () => {
    fc.assert(
      fc.property(fc.dictionary(text, text), fc.option(text, { nil: undefined }), (headers, messageId) => {
        const message = { subject: 'a', data, headers, ...(messageId === undefined ? {} : { messageId }) };
        const wire = encode(message);
        if (!wire) return;
        const lines = wire.text.split(/\r\n|\r|\n/);
        expect(lines).toHaveLength(Object.keys(headers).length + 1 + 3);
        expect(lines.filter((line) => /^nats-/i.test(line))).toHaveLength(1);
        expect(wire.size).toBe(Buffer.byteLength(wire.text) + data.length);
      }),
    );
  });

  it('has a subject of one token of the protocol line', () => {
    fc.assert(
      fc.property(text, (subject) => {
        const isRefused = encode({ subject, data }) === undefined;
        expect(isRefused || !/\s|\*|>|^$|^\.|\.$|\.\./.test(subject)).toBe(true);
      }),
    );
  });

  it('has a subject that leaves room on the protocol line, beyond which the server ends the connection', () => {
    expect(encode({ subject: 'a'.repeat(2_000), data })).toBeDefined();
    expect(encode({ subject: 'ä'.repeat(1_001), data })).toBeUndefined();
  });

  it.each([
    [1_000, '1s'],
    [1_001, '2s'],
    [90_000, '90s'],
  ])('lives at least %i ms, in whole seconds: %s', (ttlMs, value) => {
    expect(toWire({ subject: 'a', data, ttlMs }).fields).toContain(`Nats-TTL: ${value}\r\n`);
  });

  it('names its target, its time and the life of what is delivered when it is held back', () => {
    const schedule = { subject: 'schedules.S.x', at: new Date(0) };
    const { subject, fields } = toWire({ subject: 'a.b', data, ttlMs: 5_000 }, schedule);
    expect(subject).toBe('schedules.S.x');
    const headers = MsgHdrsImpl.decode((asHeaders(fields) as MsgHdrsImpl).encode());
    expect(headers.get('Nats-Schedule')).toBe('@at 1970-01-01T00:00:00.000Z');
    expect(headers.get('Nats-Schedule-Target')).toBe('a.b');
    expect(headers.get('Nats-Schedule-TTL')).toBe('5s');
    expect(headers.has('Nats-TTL')).toBe(false);
  });
});

function encode(message: Parameters<typeof toWire>[0]): { text: string; size: number } | undefined {
  try {
    const { fields, size } = toWire(message);
    const encoded = (asHeaders(fields) as MsgHdrsImpl).encode();
    return { text: Buffer.from(encoded).toString(), size };
  } catch (error) {
    if (error instanceof InvalidMessageError) return undefined;
    throw error;
  }
}
