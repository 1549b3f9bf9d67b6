import { expect, it } from '@jest/globals';
import { targetOf } from './outgoing-requests.js';

it.each([
  ['http:', 'localhost:3010', '/charges?secret=1', 'localhost', 3010, 'http://localhost:3010/charges'],
  [
    'https:',
    'api.stripe.com',
    '/v1/refunds',
    'api.stripe.com',
    undefined,
    'https://api.stripe.com/v1/refunds',
  ],
  ['http:', '[::1]:3010', '/charges', '::1', 3010, 'http://[::1]:3010/charges'],
  ['http:', '[::1]', '/', '::1', undefined, 'http://[::1]/'],
])('%s//%s%s goes to %s, port %s', (protocol, authority, path, address, port, full) => {
  expect(targetOf(protocol, authority, path)).toEqual({
    'server.address': address,
    ...(port !== undefined && { 'server.port': port }),
    'url.full': full,
  });
});

it('a host that is none is told as it is', () => {
  expect(targetOf('http:', 'a b', '/')).toEqual({ 'server.address': 'a b' });
});
