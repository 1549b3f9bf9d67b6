import { expect, it } from '@jest/globals';
import { told } from './connection.js';

it.each([
  [undefined, 'nats://127.0.0.1:4222'],
  ['nats://nats:4222', 'nats://nats:4222'],
  [
    ['nats://ann:secret@nats-1:4222', 'nats://ann:secret@nats-2'],
    'nats://ann:[redacted]@nats-1:4222, nats://ann:[redacted]@nats-2',
  ],
])('servers %j are told without passwords', (servers, text) => {
  expect(told(servers)).toBe(text);
});
