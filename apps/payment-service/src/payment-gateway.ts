import { RetryableError, TerminalError } from '@slipstream/jetstream';

export interface ChargeRequest {
  /** Idempotency key: the same key is charged once, however often it is sent. */
  readonly key: string;
  readonly orderId: string;
  readonly amountMinor: number;
  readonly currency: string;
  /** When the key was first sent. Providers forget keys. */
  readonly sentAt: Date;
}

export type ChargeResult =
  | { readonly status: 'succeeded'; readonly chargeId: string }
  | { readonly status: 'declined'; readonly reason: string }
  /** The key is closed: it was never charged and never will be, whatever is still on its way. */
  | { readonly status: 'voided' };

export interface RefundRequest {
  /** Key of the charge. */
  readonly key: string;
  readonly chargeId: string;
}

export type RefundResult =
  { readonly status: 'succeeded' } | { readonly status: 'declined'; readonly reason: string };

/**
 * Port to the provider that moves the money. Every method may be called again at any time, by several processes at once,
 * and throws `GatewayError` when the provider could not be asked or did not answer.
 */
export abstract class PaymentGateway {
  /** Milliseconds after its first use for which a key is sure to be recognised; then it is only asked about and closed. */
  abstract readonly keyLifetimeMs: number;

  /** Charges the customer, once for each key. */
  abstract charge(request: ChargeRequest): Promise<ChargeResult>;

  /**
   * What became of a key, or undefined when it is neither charged nor closed so far: a call may still be on its way.
   * Never charges.
   */
  abstract find(request: ChargeRequest): Promise<ChargeResult | undefined>;

  /**
   * Closes a key, so that no call with it can charge any more, not even one that has been on its way for hours.
   * @returns the charge when there is one already
   */
  abstract close(request: ChargeRequest): Promise<ChargeResult>;

  /** Gives the money of a charge back, once. */
  abstract refund(request: RefundRequest): Promise<RefundResult>;
}

/** Says nothing against the payment: it is tried again. */
export abstract class GatewayError extends RetryableError {}

/** The provider did not work on the request and certainly moved no money: throttled, down, not reachable, locked out. */
export class GatewayUnavailableError extends GatewayError {
  override readonly code = 'GATEWAY_UNAVAILABLE';
}

/** The answer was lost. The money was moved or it was not. */
export class AnswerLostError extends GatewayError {
  override readonly code = 'GATEWAY_ANSWER_LOST';
}

/** Another request with this key is under way, the bank has not decided yet, or this payment alone must wait. The gateway itself is well. */
export class ChargePendingError extends GatewayError {
  override readonly code = 'CHARGE_PENDING';
}

/** The provider knows the key with other parameters. A programming error: no attempt can cure it. */
export class KeyMisusedError extends TerminalError {
  override readonly code = 'GATEWAY_KEY_MISUSED';
}
