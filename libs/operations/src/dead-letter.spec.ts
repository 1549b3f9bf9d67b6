import { describe, expect, it } from '@jest/globals';
import { headers } from '@nats-io/transport-node';
import { toDeadLetter, toDetail } from './dead-letter.js';

describe('the body of a dead letter', () => {
  const bodyOf = (bytes: Uint8Array) =>
    toDetail(toDeadLetter({ stream: 'S', sequence: 1 }, headers(), bytes.length), headers(), bytes).body;

  it.each([
    ['{"total":12345678901234567890}', 'json'],
    ['line\r\n\tnext', 'text'],
    ['', 'text'],
    ['\n\u0003m-1\u0012\u0003o-1', 'binary'],
  ])('%j is %s', (text, kind) => {
    expect(bodyOf(Buffer.from(text)).kind).toBe(kind);
  });

  it('keeps the digits of numbers in its text', () => {
    expect(bodyOf(Buffer.from('{"total":12345678901234567890}'))).toHaveProperty(
      'text',
      '{"total":12345678901234567890}',
    );
  });

  it('is binary when it is no UTF-8', () => {
    expect(bodyOf(Uint8Array.of(0xff, 0xfe))).toEqual({ kind: 'binary', base64: '//4=' });
  });
});
