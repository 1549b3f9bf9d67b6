import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { newEvent } from '@slipstream/contracts';
import type { GatewayGuard } from './gateway-guard.js';
import { AnswerLostError, type PaymentGateway } from './payment-gateway.js';
import type { Change, Payment } from './payment.js';
import type { PaymentsRepository } from './payments.repository.js';
import { PaymentsService } from './payments.service.js';

describe('a gateway that answers nothing', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('counts as one whose answer was lost before the handler times out', async () => {
    const changes: string[] = [];
    const key = { gatewayKey: 'k-1', sentAt: new Date(), createdAt: new Date() };
    const payment = { ...key, orderId: 'o-1', state: 'sent', amountMinor: 5 } as Payment;
    const repository = {
      change: ({ event }: Change) => {
        changes.push(event);
        return Promise.resolve({ from: 'none', payment });
      },
    } as unknown as PaymentsRepository;
    const gateway = { charge: () => new Promise(() => undefined) } as unknown as PaymentGateway;
    const guard = { execute: <T>(call: () => Promise<T>) => call() } as unknown as GatewayGuard;
    const service = new PaymentsService(repository, gateway, guard, { ORDER_TIMEOUT: 3_600 });
    const order = { ...newEvent('o-1'), customerId: 'c-1', currency: 'EUR', totalMinor: 5, lines: [] };
    const error = service.charge(order).catch((thrown: unknown) => thrown);
    await jest.advanceTimersByTimeAsync(20_000);
    expect(await error).toBeInstanceOf(AnswerLostError);
    expect(changes).toEqual(['send', 'charge_lost']);
  });
});
