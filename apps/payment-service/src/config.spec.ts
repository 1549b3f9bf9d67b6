import { describe, expect, it } from '@jest/globals';
import { readEnvironment } from '@slipstream/bootstrap';
import { checkedSchema } from './config.js';

const DATABASE = { DATABASE_URL: 'postgres://localhost/slipstream' };
const read = (env: Record<string, string>) => readEnvironment(checkedSchema, { ...DATABASE, ...env });

describe('the configuration of payment-service', () => {
  it('names everything that Stripe needs and nobody gave', () => {
    const [key, method] = ['STRIPE_API_KEY', 'STRIPE_PAYMENT_METHOD'];
    expect(() => read({ PAYMENT_GATEWAY: 'stripe' })).toThrow(new RegExp(`${key}[^]*${method}`));
    expect(() => read({ PAYMENT_GATEWAY: 'stripe', [key]: 'sk' })).toThrow(method);
    expect(read({ PAYMENT_GATEWAY: 'stripe', [key]: 'sk', [method]: 'pm' })).toMatchObject({
      [method]: 'pm',
    });
  });

  it('needs neither for the simulator', () => {
    expect(read({})).toMatchObject({ PAYMENT_GATEWAY: 'simulator' });
  });
});
