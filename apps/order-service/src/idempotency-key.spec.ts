import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { idempotencyKeyOf } from './idempotency-key.js';

describe('the Idempotency-Key of a request', () => {
  let server: Server;

  beforeAll(async () => {
    server = createServer((received, response) => {
      try {
        response.end(JSON.stringify({ key: idempotencyKeyOf(received) }));
      } catch (error) {
        response.end(JSON.stringify({ refused: (error as Error).message }));
      }
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterAll(() => new Promise((resolve) => server.close(resolve)));

  async function read(...keys: readonly string[]): Promise<unknown> {
    const { port } = server.address() as AddressInfo;
    const headers = keys.length > 0 ? { 'Idempotency-Key': [...keys] } : {};
    const sent = request({ host: '127.0.0.1', port, headers, agent: false }).end();
    const [response] = await once(sent, 'response');
    let body = '';
    for await (const chunk of response) body += String(chunk);
    return JSON.parse(body);
  }

  it.each([
    ['is absent without the header', [], {}],
    ['is what the header says', ['order-7'], { key: 'order-7' }],
    ['may hold commas', ['a, b'], { key: 'a, b' }],
    [
      'is refused when it is too long',
      ['x'.repeat(256)],
      { refused: 'Idempotency-Key must be 1 to 255 printable characters' },
    ],
    [
      'is refused when it is empty',
      [''],
      { refused: 'Idempotency-Key must be 1 to 255 printable characters' },
    ],
    [
      'is refused when there are two',
      ['order-7', 'order-8'],
      { refused: 'Idempotency-Key must be given once' },
    ],
    [
      'is refused when it is given twice',
      ['order-7', 'order-7'],
      { refused: 'Idempotency-Key must be given once' },
    ],
  ])('%s', async (_, keys, expected) => {
    expect(await read(...keys)).toEqual(expected);
  });
});
