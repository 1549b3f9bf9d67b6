import * as os from 'node:os';
import { describe, expect, it, jest } from '@jest/globals';

// As in a container, whose user is a number.
jest.unstable_mockModule('node:os', () => ({
  ...os,
  userInfo: () => {
    throw new Error('uv_os_get_passwd returned ENOENT');
  },
}));
const { Session } = await import('./session.js');

describe('who does something', () => {
  it('is the number of a user without a name', () => {
    const { operator } = new Session({ server: 'nats://localhost:4222' });
    expect(operator.by).toBe(`uid ${process.getuid?.()}`);
  });

  it('is who was named', () => {
    expect(new Session({ server: 'nats://localhost:4222', by: 'ann' }).operator.by).toBe('ann');
  });
});
