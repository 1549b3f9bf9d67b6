import { urlToHttpOptions } from 'node:url';
import { Stripe } from 'stripe';
import {
  ChargePendingError,
  PaymentGateway,
  type ChargeRequest,
  type ChargeResult,
  type RefundRequest,
  type RefundResult,
} from './payment-gateway.js';
import { toStripeAmount } from './stripe-amount.js';
import {
  hasCode,
  isMisused,
  isRecordedFailure,
  refundRefusalOf,
  refusalOf,
  toGatewayError,
  toRefundError,
} from './stripe-errors.js';

const TIMEOUT_MS = 8_000;
/** Stripe keeps keys for a day at least. An hour of it is left for requests that are still travelling. */
const KEY_LIFETIME_MS = 23 * 60 * 60 * 1_000;
/** The search is behind by less than a minute, and by up to an hour during an outage (docs.stripe.com/search). */
const SEARCH_LAG_MS = 2 * 60 * 60 * 1_000;

export interface StripeOptions {
  readonly apiKey: string;
  /** `https://api.stripe.com`, or where a stand-in listens. */
  readonly apiBase: string;
  /** What customers pay with: orders carry no payment method of their own. */
  readonly paymentMethod: string;
}

/**
 * Adapter for Stripe's payment intents. An intent is created under the key and then confirmed: creating moves no money,
 * so that it can be repeated at any time to learn the intent's id, to ask what became of it, and to cancel it. A cancelled
 * intent cannot be confirmed, however late the confirmation arrives.
 */
export class StripeGateway extends PaymentGateway {
  /** Ends so long before the key's that the search, which is all that is left then, knows of the last charge. */
  readonly keyLifetimeMs = KEY_LIFETIME_MS - SEARCH_LAG_MS;
  private readonly stripe: Stripe;

  constructor(private readonly options: StripeOptions) {
    super();
    const { protocol, hostname, port } = urlToHttpOptions(new URL(options.apiBase));
    const isTls = protocol === 'https:';
    this.stripe = new Stripe(options.apiKey, {
      host: hostname ?? undefined,
      port: port || (isTls ? 443 : 80),
      protocol: isTls ? 'https' : 'http',
      // Only here is it known what was asked before, and how long the gateway wants to be left alone.
      maxNetworkRetries: 0,
      timeout: TIMEOUT_MS,
      telemetry: false,
    });
  }

  async charge(request: ChargeRequest): Promise<ChargeResult> {
    const amount = toStripeAmount(request.amountMinor, request.currency);
    if (amount === undefined) {
      return { status: 'declined', reason: `Stripe cannot charge this amount of ${request.currency}` };
    }
    try {
      const { id } = await this.create(request);
      return requireResult(await this.confirm(id, request.key));
    } catch (error) {
      const reason = refusalOf(error);
      if (reason !== undefined) return { status: 'declined', reason };
      // Nobody will ever learn of an intent under this key, so nobody can confirm one.
      if (isRecordedFailure(error))
        return { status: 'declined', reason: 'Stripe failed to create the payment' };
      throw toGatewayError(error);
    }
  }

  async find(request: ChargeRequest): Promise<ChargeResult | undefined> {
    const intent = await this.locate(request);
    return intent && resultOf(intent);
  }

  async close(request: ChargeRequest): Promise<ChargeResult> {
    const intent = await this.locate(request);
    if (!intent) return { status: 'voided' };
    const result = resultOf(intent);
    if (result) return result;
    try {
      return requireResult(await this.stripe.paymentIntents.cancel(intent.id));
    } catch (error) {
      // It was confirmed in between; the next question tells how that ended.
      if (hasCode(error, 'payment_intent_unexpected_state')) {
        throw new ChargePendingError('the payment is being made', { cause: error });
      }
      throw toGatewayError(error);
    }
  }

  async refund({ key, chargeId }: RefundRequest): Promise<RefundResult> {
    try {
      const { status, failure_reason: reason } = await this.stripe.refunds.create(
        { payment_intent: chargeId, metadata: { charge_key: key } },
        { idempotencyKey: `${key}-refund` },
      );
      // One that is pending has been taken over by Stripe, which says later if a bank refuses it.
      const isRefused = status === 'failed' || status === 'canceled';
      return isRefused ? { status: 'declined', reason: reason ?? status } : { status: 'succeeded' };
    } catch (error) {
      if (hasCode(error, 'charge_already_refunded')) return { status: 'succeeded' };
      const reason = refundRefusalOf(error);
      if (reason !== undefined) return { status: 'declined', reason };
      throw toRefundError(error);
    }
  }

  private async locate(request: ChargeRequest): Promise<Stripe.PaymentIntent | undefined> {
    try {
      return await this.ask(request);
    } catch (error) {
      if (isRecordedFailure(error) || refusalOf(error) !== undefined) return undefined;
      throw toGatewayError(error);
    }
  }

  /**
   * The intent of a key. While Stripe remembers the key, creating it again is the only question whose answer is never
   * out of date; the search lags behind and is asked later, when nothing can be under way any more.
   */
  private async ask(request: ChargeRequest): Promise<Stripe.PaymentIntent | undefined> {
    const ageMs = Date.now() - request.sentAt.getTime();
    if (ageMs >= KEY_LIFETIME_MS) return this.search(request.key);
    if (toStripeAmount(request.amountMinor, request.currency) === undefined) return undefined;
    try {
      const { id } = await this.create(request);
      return await this.stripe.paymentIntents.retrieve(id);
    } catch (error) {
      // Another payment method was configured meanwhile, which is refused under the key for as long as it is known.
      if (isMisused(error) && ageMs >= SEARCH_LAG_MS) return this.search(request.key);
      throw error;
    }
  }

  private create({ key, orderId, amountMinor, currency }: ChargeRequest): Promise<Stripe.PaymentIntent> {
    return this.stripe.paymentIntents.create(
      {
        amount: toStripeAmount(amountMinor, currency) ?? 0,
        currency: currency.toLowerCase(),
        payment_method: this.options.paymentMethod,
        automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
        metadata: { charge_key: key, order_id: orderId },
      },
      { idempotencyKey: key },
    );
  }

  /** The customer is not there to prove who they are: a card that asks for it is declined. */
  private async confirm(id: string, key: string): Promise<Stripe.PaymentIntent> {
    try {
      return await this.stripe.paymentIntents.confirm(
        id,
        { off_session: true, error_on_requires_action: true },
        { idempotencyKey: `${key}-confirm` },
      );
    } catch (error) {
      // It was confirmed or cancelled before; what counts is what became of it.
      if (hasCode(error, 'payment_intent_unexpected_state')) return this.stripe.paymentIntents.retrieve(id);
      // The money may have moved before it failed; no other confirmation will ever be answered otherwise.
      if (isRecordedFailure(error)) return this.abandon(id);
      throw error;
    }
  }

  /** Cancels an intent unless it was paid. */
  private async abandon(id: string): Promise<Stripe.PaymentIntent> {
    try {
      return await this.stripe.paymentIntents.cancel(id);
    } catch (error) {
      if (hasCode(error, 'payment_intent_unexpected_state')) return this.stripe.paymentIntents.retrieve(id);
      throw error;
    }
  }

  private async search(key: string): Promise<Stripe.PaymentIntent | undefined> {
    const { data } = await this.stripe.paymentIntents.search({ query: `metadata['charge_key']:'${key}'` });
    const [found] = data;
    // The search shows what was; the intent itself what is.
    return found && this.stripe.paymentIntents.retrieve(found.id);
  }
}

/** What became of an intent; undefined when it was not confirmed so far. */
function resultOf({
  id,
  status,
  last_payment_error: failure,
}: Stripe.PaymentIntent): ChargeResult | undefined {
  switch (status) {
    case 'succeeded':
      return { status: 'succeeded', chargeId: id };
    case 'canceled':
      return { status: 'voided' };
    case 'requires_payment_method':
    case 'requires_confirmation':
      return failure
        ? { status: 'declined', reason: failure.decline_code ?? failure.code ?? 'declined' }
        : undefined;
    default:
      throw new ChargePendingError(`the payment is ${status}`);
  }
}

function requireResult(intent: Stripe.PaymentIntent): ChargeResult {
  const result = resultOf(intent);
  if (!result) throw new ChargePendingError(`the payment is ${intent.status}`);
  return result;
}
