import { Stripe } from 'stripe';
import {
  AnswerLostError,
  ChargePendingError,
  GatewayUnavailableError,
  KeyMisusedError,
} from './payment-gateway.js';
import { retryAfterMs } from './retry-after.js';

const { errors } = Stripe;

/** Of charges that Stripe will never refund. */
const UNREFUNDABLE = new Set(['charge_disputed', 'charge_not_refundable', 'refund_disputed_payment']);

/** What an error of the SDK says about the request, in the words of the port. Refusals of one charge are not among them. */
export function toGatewayError(cause: unknown): unknown {
  if (!(cause instanceof errors.StripeError)) return cause;
  const message = `Stripe: ${cause.message}`;
  const options = { cause, notBeforeMs: retryAfterMs(cause.headers?.['retry-after']) };
  if (isMisused(cause)) return new KeyMisusedError(message, { cause });
  if (cause instanceof errors.StripeConnectionError) {
    return isRefused(cause)
      ? new GatewayUnavailableError(message, options)
      : new AnswerLostError(message, options);
  }
  // A request with this key is under way.
  if (cause.statusCode === 409) return new ChargePendingError(message, options);
  if (cause.statusCode === undefined || cause.statusCode >= 500) return new AnswerLostError(message, options);
  // Throttled, or we are set up wrongly: no money was moved, and it says nothing about this charge.
  return new GatewayUnavailableError(message, options);
}

/** Why Stripe will not make this charge, however often it is asked; undefined when the error says something else. */
export function refusalOf(error: unknown): string | undefined {
  if (error instanceof errors.StripeCardError) return error.decline_code ?? error.code ?? error.message;
  if (!(error instanceof errors.StripeInvalidRequestError)) return undefined;
  const isAboutMoney = error.param === 'amount' || error.param === 'currency';
  return isAboutMoney || error.code?.startsWith('amount_') ? error.message : undefined;
}

/** Why Stripe will not refund this charge, however often it is asked; undefined when the error says something else. */
export function refundRefusalOf(error: unknown): string | undefined {
  if (!(error instanceof errors.StripeInvalidRequestError)) return undefined;
  return error.code !== undefined && UNREFUNDABLE.has(error.code) ? error.code : undefined;
}

/**
 * As `toGatewayError`; that one refund cannot be made yet, for want of funds for example, or is answered by what was
 * recorded when Stripe was in trouble, says nothing about the gateway.
 */
export function toRefundError(cause: unknown): unknown {
  return cause instanceof errors.StripeInvalidRequestError || isRecordedFailure(cause)
    ? new ChargePendingError(`Stripe: ${cause.message}`, { cause })
    : toGatewayError(cause);
}

/** True for an error that Stripe recorded under the key and gives as the answer to every request with it. */
export function isRecordedFailure(error: unknown): error is InstanceType<typeof errors.StripeAPIError> {
  return (
    error instanceof errors.StripeAPIError &&
    (error.statusCode ?? 0) >= 500 &&
    error.headers?.['idempotent-replayed'] === 'true'
  );
}

/** True when a key was used before with other parameters. */
export function isMisused(error: unknown): boolean {
  return error instanceof errors.StripeIdempotencyError;
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof errors.StripeError && error.code === code;
}

function isRefused(error: InstanceType<typeof errors.StripeConnectionError>): boolean {
  return (error.detail as { code?: unknown } | undefined)?.code === 'ECONNREFUSED';
}
