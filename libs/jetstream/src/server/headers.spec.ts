import { describe, expect, it } from '@jest/globals';
import { headers as createHeaders } from '@nats-io/transport-node';
import { headerOf } from './headers.js';

describe('a header', () => {
  it.each(['traceparent', 'Traceparent', 'TRACEPARENT'])('written as %s is found as traceparent', (name) => {
    const headers = createHeaders();
    headers.set(name, '00-a-b-01');
    expect(headerOf(headers, 'traceparent')).toBe('00-a-b-01');
  });

  it('that is not there is empty, and so is one of a message without headers', () => {
    const headers = createHeaders();
    headers.set('x-traceparent', '1');
    expect(headerOf(headers, 'traceparent')).toBe('');
    expect(headerOf(undefined, 'traceparent')).toBe('');
  });
});
