import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AuditReview } from './audit-review.js';

interface State {
  readonly orderId: string;
  readonly status?: string;
  readonly customerId?: string | null;
  readonly contradiction?: string;
}

const complete = (state: State) => ({
  status: 'confirmed',
  customerId: 'c-1',
  currency: 'EUR',
  totalMinor: 100,
  contradiction: null,
  ...state,
});

describe('the comparison of the audit log with the orders', () => {
  const servers: Server[] = [];

  const serve = async (answer: (url: URL) => string, status = 200): Promise<string> => {
    const server = createServer((request, response) => {
      response.writeHead(status).end(answer(new URL(request.url ?? '', 'http://localhost')));
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  /** The log of each reading, the last one for all further ones; orders in pages of two. */
  const reviewOf = async (logs: readonly (readonly State[])[], orders: readonly State[]) => {
    let readings = 0;
    const auditUrl = await serve(() => {
      const log = logs[Math.min(readings++, logs.length - 1)] ?? [];
      return log.map((state) => `${JSON.stringify(complete(state))}\n`).join('');
    });
    const ordersUrl = await serve(({ searchParams }) => {
      const after = searchParams.get('after') ?? '';
      const page = orders.filter(({ orderId }) => orderId > after).slice(0, 2);
      return JSON.stringify({
        orders: page.map(complete),
        next: page.length === 2 ? page[1]?.orderId : null,
      });
    });
    return new AuditReview({ auditUrl, ordersUrl });
  };

  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  it('finds nothing where both tell the same of every order', async () => {
    const states = ['a', 'b', 'c'].map((orderId) => ({ orderId }));
    const review = await reviewOf([states], states);
    expect(await review.compareReplay()).toEqual({ orders: 3, differences: [] });
  });

  it('names what the two tell differently, what one of them lacks and what cannot be true together', async () => {
    const log = [
      { orderId: 'a', status: 'cancelled' },
      { orderId: 'b', contradiction: 'never paid' },
    ];
    const review = await reviewOf([log], [{ orderId: 'a' }, { orderId: 'b' }, { orderId: 'c' }]);
    const { differences } = await review.compareReplay();
    expect(differences).toContainEqual({
      orderId: 'a',
      field: 'status',
      log: 'cancelled',
      orders: 'confirmed',
    });
    expect(differences).toContainEqual({
      orderId: 'b',
      field: 'contradiction',
      log: 'never paid',
      orders: '',
    });
    expect(differences).toContainEqual({ orderId: 'c', field: 'status', log: '', orders: 'confirmed' });
  }, 15_000);

  it('gives the log the time to catch up', async () => {
    const review = await reviewOf([[], [{ orderId: 'a' }]], [{ orderId: 'a' }]);
    expect(await review.compareReplay()).toEqual({ orders: 1, differences: [] });
  }, 15_000);

  it('does not miss an order of which only the outcome is known so far', async () => {
    const review = await reviewOf([[{ orderId: 'a', customerId: null }]], []);
    expect(await review.compareReplay()).toMatchObject({ differences: [] });
  });

  it('says which service answers something else', async () => {
    const stranger = await serve(() => '<html>');
    const review = new AuditReview({ auditUrl: stranger, ordersUrl: stranger });
    const refusal = { code: 'OPERATIONS_SERVICE_UNAVAILABLE' };
    await expect(review.verify()).rejects.toMatchObject(refusal);
    await expect(review.compareReplay()).rejects.toMatchObject(refusal);
  });

  it('says which service does not answer', async () => {
    const review = new AuditReview({ auditUrl: 'http://127.0.0.1:1', ordersUrl: 'http://127.0.0.1:1' });
    await expect(review.verify()).rejects.toMatchObject({ code: 'OPERATIONS_SERVICE_UNAVAILABLE' });
    await expect(review.compareReplay()).rejects.toThrow('order-service does not answer');
  });

  it('passes on why a service cannot tell', async () => {
    const detail = 'The log is not whole.';
    const auditUrl = await serve(() => JSON.stringify({ title: 'Internal Server Error', detail }), 500);
    const review = new AuditReview({ auditUrl, ordersUrl: auditUrl });
    await expect(review.verify()).rejects.toThrow(
      `audit-service answered 500 at ${auditUrl}/verify: ${detail}`,
    );
  });
});
