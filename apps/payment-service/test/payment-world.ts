import type { Scheduler } from 'fast-check';
import type { OrderCreated } from '@slipstream/contracts';
import { EventEncoder, newEvent } from '@slipstream/contracts';
import { declaration } from '../src/declaration.js';
import type { GatewayGuard } from '../src/gateway-guard.js';
import {
  AnswerLostError,
  PaymentGateway,
  type ChargeRequest,
  type ChargeResult,
  type RefundRequest,
  type RefundResult,
} from '../src/payment-gateway.js';
import { NONE, opening, stepOf } from '../src/payment-state.js';
import { announce, apply, type Change, type Changed, type Payment } from '../src/payment.js';
import type { PaymentsRepository } from '../src/payments.repository.js';
import { PaymentsService } from '../src/payments.service.js';

const encoder = new EventEncoder({ source: declaration.name, publishes: declaration.publishes });
const ORDER_ID = 'o-1';
/** Seconds, of which a test takes none. */
const CONFIG = { ORDER_TIMEOUT: 3_600 };
const LONG_AGO = new Date(0);
const NEVER = new Promise<never>(() => undefined);
const OPEN_GUARD = {
  isOpen: false,
  assertClosed: () => undefined,
  execute: <T>(call: () => Promise<T>) => call(),
} as unknown as GatewayGuard;

export const ORDER: OrderCreated = {
  ...newEvent(ORDER_ID),
  customerId: 'c-1',
  currency: 'EUR',
  totalMinor: 1_999,
  lines: [],
};
export const CANCELLATION = { ...newEvent(ORDER_ID), reason: 'changed my mind' };

/** A provider that charges a key once for as long as it remembers it, and the one account it takes money from. */
export class Provider {
  charges = 0;
  refunds = 0;
  private outcome: ChargeResult | undefined;
  private isRemembered = true;

  constructor(private readonly declines: boolean) {}

  charge(): ChargeResult {
    if (this.outcome?.status === 'voided') return this.outcome;
    if (this.outcome && this.isRemembered) return this.outcome;
    if (this.declines) return (this.outcome = { status: 'declined', reason: 'poor' });
    this.charges++;
    return (this.outcome = { status: 'succeeded', chargeId: `ch-${this.charges}` });
  }

  find(): ChargeResult | undefined {
    return this.outcome;
  }

  close(): ChargeResult {
    return (this.outcome ??= { status: 'voided' });
  }

  refund(): RefundResult {
    this.refunds = Math.min(this.charges, this.refunds + 1);
    return { status: 'succeeded' };
  }

  forget(): void {
    this.isRemembered = false;
  }
}

/** Several processes, their database and the network to the provider, in which everything may be late and much is lost. */
export class World {
  readonly announced: string[] = [];
  readonly provider: Provider;
  payment: Payment | undefined;
  isReliable = false;
  travelling = 0;
  keyLifetimeMs = Infinity;
  /** When the message with the order was stored, and when this service first heard of it: the two do not agree. */
  orderedAt = new Date();
  private notedAt = new Date();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly luck: () => boolean,
    declines: boolean,
  ) {
    this.provider = new Provider(declines);
  }

  process(): Process {
    return new Process(this);
  }

  /** Resolves some time later, before or after whatever else is under way. */
  later(what: string): Promise<unknown> {
    return this.scheduler.schedule(Promise.resolve(), what);
  }

  /** The order has waited for so long that it is given up, by either clock. */
  timeOut(clock: 'message' | 'payment'): void {
    if (clock === 'message') this.orderedAt = LONG_AGO;
    else this.notedAt = LONG_AGO;
    if (this.payment) this.payment = { ...this.payment, createdAt: this.notedAt };
  }

  get isSettled(): boolean {
    return this.payment === undefined || stepOf(this.payment.state) === undefined;
  }

  commit(change: Change): Changed {
    const from: Changed['from'] = this.payment?.state ?? NONE;
    if (this.payment) this.payment = apply(this.payment, change);
    else this.payment = this.open(change);
    const changed: Changed = { from, payment: this.payment };
    const event = announce(changed, encoder);
    if (event) this.announced.push(event.subject);
    return changed;
  }

  /** The request may outlive its sender, and the answer may not come although the request arrives. */
  async call<T>(what: string, effect: () => T, isAlive: () => boolean): Promise<T> {
    this.travelling++;
    const arrival = this.later(`${what} arrives`).then(() => {
      this.travelling--;
      return effect();
    });
    const isAnswered = this.isReliable || this.luck();
    const answer = isAnswered
      ? await arrival.then(async (result) => this.later(`${what} is answered`).then(() => result))
      : await this.later(`${what} times out`).then(() => undefined);
    if (!isAlive()) return NEVER;
    if (!isAnswered) throw new AnswerLostError(`${what} was not answered`);
    return answer as T;
  }

  private open({ event, amountMinor = 0, currency = '', reason }: Change): Payment {
    const state = opening(event);
    if (!state) throw new Error(`${event} opened a payment`);
    const sentAt = state === 'sent' ? new Date(0) : null;
    return {
      orderId: ORDER_ID,
      state,
      gatewayKey: 'k-1',
      amountMinor,
      currency,
      chargeId: null,
      reason: reason ?? null,
      sentAt,
      createdAt: this.notedAt,
    };
  }
}

/** One instance of the service. What it was doing when it died goes no further, but what it sent is on its way. */
export class Process {
  isAlive = true;
  private readonly service: PaymentsService;

  constructor(private readonly world: World) {
    const repository = { change: (change: Change) => this.change(change) } as unknown as PaymentsRepository;
    this.service = new PaymentsService(repository, new Line(world, this), OPEN_GUARD, CONFIG);
  }

  charge(): Promise<void> {
    return this.service.charge(ORDER, this.world.orderedAt);
  }

  cancel(): Promise<void> {
    return this.service.cancel(CANCELLATION);
  }

  async resume(): Promise<void> {
    if (this.world.payment && !this.world.isSettled) await this.service.resume(this.world.payment);
  }

  private async change(change: Change): Promise<Changed> {
    await this.world.later(`${change.event} commits`);
    if (!this.isAlive) return NEVER;
    const changed = this.world.commit(change);
    await this.world.later(`${change.event} is committed`);
    return this.isAlive ? changed : NEVER;
  }
}

/** The provider as one process reaches it. */
class Line extends PaymentGateway {
  constructor(
    private readonly world: World,
    private readonly process: Process,
  ) {
    super();
  }

  get keyLifetimeMs(): number {
    return this.world.keyLifetimeMs;
  }

  charge(_request: ChargeRequest): Promise<ChargeResult> {
    return this.send('charge', () => this.world.provider.charge());
  }

  find(_request: ChargeRequest): Promise<ChargeResult | undefined> {
    return this.send('find', () => this.world.provider.find());
  }

  close(_request: ChargeRequest): Promise<ChargeResult> {
    return this.send('close', () => this.world.provider.close());
  }

  refund(_request: RefundRequest): Promise<RefundResult> {
    return this.send('refund', () => this.world.provider.refund());
  }

  private send<T>(what: string, effect: () => T): Promise<T> {
    return this.process.isAlive ? this.world.call(what, effect, () => this.process.isAlive) : NEVER;
  }
}
