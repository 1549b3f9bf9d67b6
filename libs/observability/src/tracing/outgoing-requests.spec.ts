import { expect, it } from '@jest/globals';
import { targetOf } from './outgoing-requests.js';

it.each([
  ['http:', 'localhost:3010', { 'server.address': 'localhost', 'server.port': 3010 }],
  ['https:', 'api.stripe.com', { 'server.address': 'api.stripe.com' }],
  ['http:', '[::1]:3010', { 'server.address': '::1', 'server.port': 3010 }],
  ['http:', '[::1]', { 'server.address': '::1' }],
])('a request to %s//%s is told with %p', (protocol, authority, server) => {
  const full = { 'url.full': `${protocol}//${authority}/charges` };
  expect(targetOf(protocol, authority, '/charges?secret=1')).toEqual({ ...server, ...full });
});

it('a host that is none is told as it is', () => {
  expect(targetOf('http:', 'a b', '/')).toEqual({ 'server.address': 'a b' });
});
