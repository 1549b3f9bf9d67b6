import { Inject, Injectable } from '@nestjs/common';
import { ProblemException } from '@slipstream/bootstrap';
import { randomBytes } from 'node:crypto';
import type { ChargeRequestDto } from './charge.dto.js';
import { Faults, type FaultMode } from './faults.js';
import type { Charge, Closing, Refund } from './ledger-record.js';
import { Ledger } from './ledger.js';

/** An effect, and whether it existed before the request that asked for it. */
export interface Outcome<Effect> {
  readonly effect: Effect;
  readonly replayed: boolean;
}

/** Charges and refunds, each at most once per idempotency key. */
@Injectable()
export class ChargesService {
  /** Keys whose charge or refund is being made: neither durable nor refused yet. */
  private readonly inFlight = new Set<string>();

  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(Faults) private readonly faults: Faults,
  ) {}

  /** @throws ProblemException 409 while the key is in flight, 422 when it was used for another charge. */
  async charge(key: string, request: ChargeRequestDto, fault: FaultMode): Promise<Outcome<Charge | Closing>> {
    const known = this.ledger.findCharge(key);
    if (known !== undefined) {
      if (known.status !== 'closed') assertSameCharge(known, request);
      await this.waitIf(fault === 'slow');
      return { effect: known, replayed: true };
    }
    return this.once(key, async () => {
      await this.waitIf(fault === 'slow');
      const charge: Charge = {
        chargeId: newId('ch'),
        orderId: request.orderId,
        amountMinor: request.amountMinor,
        currency: request.currency,
        status: fault === 'decline' ? 'declined' : 'succeeded',
        createdAt: new Date().toISOString(),
      };
      await this.ledger.addCharge(key, charge);
      return { effect: charge, replayed: false };
    });
  }

  /**
   * Makes sure that the key is never charged from now on; a charge that was made stays.
   * @throws ProblemException 409 while the key is in flight
   */
  async close(key: string, fault: FaultMode): Promise<Outcome<Charge | Closing>> {
    const known = this.ledger.findCharge(key);
    if (known !== undefined) {
      await this.waitIf(fault === 'slow');
      return { effect: known, replayed: true };
    }
    return this.once(key, async () => {
      await this.waitIf(fault === 'slow');
      const closing: Closing = { status: 'closed', createdAt: new Date().toISOString() };
      await this.ledger.addClosing(key, closing);
      return { effect: closing, replayed: false };
    });
  }

  /** @throws ProblemException 404 without a charge, 409 while the key is in flight or when nothing was charged. */
  async refund(key: string, fault: FaultMode): Promise<Outcome<Refund>> {
    const charge = this.find(key);
    if (charge.status !== 'succeeded') {
      throw new ProblemException(409, {
        type: 'urn:payment-gateway:nothing-charged',
        title: 'Nothing charged',
        detail: `The charge is ${charge.status}: there is nothing to refund.`,
      });
    }
    const known = this.ledger.findRefund(key);
    if (known !== undefined) {
      await this.waitIf(fault === 'slow');
      return { effect: known, replayed: true };
    }
    return this.once(key, async () => {
      await this.waitIf(fault === 'slow');
      const { chargeId, orderId, amountMinor, currency } = charge;
      const createdAt = new Date().toISOString();
      const refund: Refund = {
        refundId: newId('re'),
        chargeId,
        orderId,
        amountMinor,
        currency,
        createdAt,
      };
      await this.ledger.addRefund(key, refund);
      return { effect: refund, replayed: false };
    });
  }

  /** @throws ProblemException 404 without a charge, 409 while it is being made. */
  find(key: string): Charge | Closing {
    const charge = this.ledger.findCharge(key);
    if (charge !== undefined) {
      return charge;
    }
    if (this.inFlight.has(key)) {
      // A 404 would be read as "not charged", and the charge would follow.
      throw inFlightProblem();
    }
    throw new ProblemException(404, { detail: 'There is no charge under this key.' });
  }

  private async once<Effect>(key: string, effect: () => Promise<Outcome<Effect>>): Promise<Outcome<Effect>> {
    if (this.inFlight.has(key)) {
      throw inFlightProblem();
    }
    this.inFlight.add(key);
    try {
      return await effect();
    } finally {
      this.inFlight.delete(key);
    }
  }

  private async waitIf(isSlow: boolean): Promise<void> {
    if (isSlow) {
      await this.faults.wait();
    }
  }
}

const PROCESS = randomBytes(9).toString('base64url');
let created = 0;

/** Unique without asking for random bytes each time. */
function newId(kind: 'ch' | 're'): string {
  return `${kind}_${PROCESS}_${(created++).toString(36)}`;
}

function assertSameCharge(charge: Charge, request: ChargeRequestDto): void {
  const errors = (['orderId', 'amountMinor', 'currency'] as const)
    .filter((field) => charge[field] !== request[field])
    .map((field) => ({ field, reason: 'differs from the first request with this key' }));
  if (errors.length > 0) {
    throw new ProblemException(422, { detail: 'The Idempotency-Key was used for another charge.', errors });
  }
}

function inFlightProblem(): ProblemException {
  return new ProblemException(409, {
    type: 'urn:payment-gateway:in-flight',
    title: 'Request in flight',
    detail: 'A request with this Idempotency-Key is in flight.',
    headers: { 'Retry-After': '1' },
  });
}
