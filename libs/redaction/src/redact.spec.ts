import { describe, expect, it } from '@jest/globals';
import { redact } from './redact.js';

describe('a text that is told', () => {
  it('holds no part of a value, wherever it is cut', () => {
    const value = 'secret-'.repeat(20);
    for (let longest = 20; longest < 2 * value.length; longest += 7) {
      expect(redact(`to ${value} ${value} ${value}`, longest, [value])).toMatch(/^to [^s]*$/);
    }
  });

  it('holds no part of a password with an @ in it', () => {
    expect(redact('no postgres://orders:p@ss@db:5432/orders, nats://a:b@h1,nats://c:d@h2', 100)).toBe(
      'no postgres://orders:[redacted]@db:5432/orders, nats://a:[redacted]@h1,nats://c:[redacted]@h2',
    );
  });

  it('holds no part of a password that is cut', () => {
    const value = 'x'.repeat(90);
    expect(redact(`${value} at nats://orders:${'p'.repeat(100)}@host`, 100, [value])).not.toContain('p');
  });

  it('keeps addresses without passwords', () => {
    const text = 'nats://localhost:4222 and http://localhost:3000/a@b';
    expect(redact(text, text.length)).toBe(text);
    expect(redact(`${text} ${'x'.repeat(200)}`, text.length)).toBe(text);
  });
});
