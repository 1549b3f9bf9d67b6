import { describe, expect, it } from '@jest/globals';
import { headers as createHeaders } from '@nats-io/transport-node';
import { carriedHeaders, restoredHeaders } from './carried-headers.js';

function headersOf(values: Readonly<Record<string, string>>) {
  const headers = createHeaders();
  for (const [name, value] of Object.entries(values)) headers.set(name, value);
  return headers;
}

describe('the headers of a message', () => {
  it.each([
    'Nats-Msg-Id',
    'x-tenant',
    'operation-id',
    'dead-letter-body',
    'original-subject',
    'original-nats-msg-id',
    'original-operation-id',
  ])('named %s are the same after it was copied and restored', (name) => {
    const copy = {
      ...carriedHeaders(headersOf({ [name]: 'a' })),
      'operation-by': 'ann',
      'dead-letter-code': 'X',
    };
    const restored = restoredHeaders(headersOf(copy));
    expect(restored.keys().map((key) => [key, restored.get(key)])).toEqual([[name, 'a']]);
  });

  it('are not taken for what is told of a copy', () => {
    expect(carriedHeaders(headersOf({ 'dead-letter-body': 'in-stream' }))).not.toHaveProperty(
      'dead-letter-body',
    );
  });

  it('in copies of earlier releases are found as well', () => {
    const restored = restoredHeaders(headersOf({ 'original-nats-msg-id': 'm', 'original-subject': 's' }));
    expect([restored.get('Nats-Msg-Id'), restored.get('original-subject')]).toEqual(['m', 's']);
  });
});
