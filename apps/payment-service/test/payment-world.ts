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
/** Seconds: longer than the day that passes in a test. */
const CONFIG = { ORDER_TIMEOUT: 48 * 3_600 };
const LONG_AGO = new Date(0);
const KEY_LIFETIME_MS = 23 * 3_600_000;
const DAY_MS = 24 * 3_600_000;
const NEVER = new Promise<never>(() => undefined);
const OPEN_GUARD = {
  isOpen: false,
  assertClosed: () => undefined,
  execute: <T>(call: () => Promise<T>) => call(),
} as unknown as GatewayGuard;

const ORDER: OrderCreated = {
  ...newEvent(ORDER_ID),
  customerId: 'c-1',
  currency: 'EUR',
  totalMinor: 1_999,
  lines: [],
};
const CANCELLATION = { ...newEvent(ORDER_ID), reason: 'changed my mind' };

/**
 * A provider that charges a key once for as long as it remembers it, and the one account it takes money from. What it
 * remembers it can be asked by the key; a search of its records finds only what it has forgotten since.
 */
export class Provider {
  charges = 0;
  refunds = 0;
  private outcome: ChargeResult | undefined;
  private isRemembered = true;

  constructor(private readonly declines: boolean) {}

  charge(): ChargeResult {
    if (this.outcome && this.isRemembered) return this.outcome;
    this.isRemembered = true;
    if (this.declines) return (this.outcome = { status: 'declined', reason: 'poor' });
    this.charges++;
    return (this.outcome = { status: 'succeeded', chargeId: `ch-${this.charges}` });
  }

  find(isSearch: boolean): ChargeResult | undefined {
    return isSearch === this.isRemembered ? undefined : this.outcome;
  }

  close(isSearch: boolean): ChargeResult {
    const found = this.find(isSearch);
    // What a search does not find cannot be closed either.
    if (found || isSearch) return found ?? { status: 'voided' };
    this.isRemembered = true;
    return (this.outcome = { status: 'voided' });
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
  /** When the message with the order was stored, and when this service first heard of it: the two do not agree. */
  orderedAt = new Date();
  /** When the order came into being. */
  private createdAt = new Date();
  private notedAt = new Date();
  private backup: Payment | undefined;

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

  /** A day passes, at the end of which nothing travels: the provider has forgotten its keys. */
  passDay(): void {
    this.provider.forget();
    this.payment = aged(this.payment);
    this.backup = aged(this.backup);
    this.createdAt = new Date(Date.now() - DAY_MS);
    if (this.orderedAt > LONG_AGO) this.orderedAt = this.createdAt;
  }

  /** What a restore will bring back, unless it is made sooner. */
  backUp(): void {
    this.backup = this.payment;
  }

  /** Sets the database back, when everybody who used it is gone. */
  restore(): void {
    this.payment = this.backup;
    this.announced.length = 0;
  }

  get order(): OrderCreated {
    return { ...ORDER, createdAt: this.createdAt.getTime() };
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

  private open(change: Change): Payment {
    const { event, amountMinor, currency, reason, sentAt } = change;
    const state = opening(event);
    if (!state) throw new Error(`${event} opened a payment`);
    return {
      orderId: ORDER_ID,
      state,
      gatewayKey: 'k-1',
      amountMinor: amountMinor ?? null,
      currency: currency ?? null,
      chargeId: null,
      reason: reason ?? null,
      sentAt: sentAt ?? null,
      createdAt: this.notedAt,
    } as Payment;
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

  /** @param orderedAt when the message with the order was stored */
  charge(orderedAt = this.world.orderedAt): Promise<void> {
    return this.service.charge(this.world.order, orderedAt);
  }

  chargeAgain(): Promise<void> {
    return this.service.chargeAgain(this.world.order);
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
  readonly keyLifetimeMs = KEY_LIFETIME_MS;

  constructor(
    private readonly world: World,
    private readonly process: Process,
  ) {
    super();
  }

  charge(_request: ChargeRequest): Promise<ChargeResult> {
    return this.send('charge', () => this.world.provider.charge());
  }

  find(request: ChargeRequest): Promise<ChargeResult | undefined> {
    return this.send('find', () => this.world.provider.find(isSearched(request)));
  }

  close(request: ChargeRequest): Promise<ChargeResult> {
    return this.send('close', () => this.world.provider.close(isSearched(request)));
  }

  refund(_request: RefundRequest): Promise<RefundResult> {
    return this.send('refund', () => this.world.provider.refund());
  }

  private send<T>(what: string, effect: () => T): Promise<T> {
    return this.process.isAlive ? this.world.call(what, effect, () => this.process.isAlive) : NEVER;
  }
}

function isSearched({ sentAt }: ChargeRequest): boolean {
  return Date.now() - sentAt.getTime() >= KEY_LIFETIME_MS;
}

function aged(payment: Payment | undefined): Payment | undefined {
  return payment && { ...payment, sentAt: payment.sentAt && LONG_AGO };
}
