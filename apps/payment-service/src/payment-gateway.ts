import { RetryableError } from '@slipstream/jetstream';

export interface ChargeRequest {
  /** Idempotency key: the same key is charged once, however often it is sent. */
  readonly key: string;
  readonly orderId: string;
  readonly amountMinor: number;
  readonly currency: string;
}

export type ChargeResult =
  | { readonly status: 'succeeded'; readonly chargeId: string }
  | { readonly status: 'declined'; readonly reason: string };

/** Port to the provider that moves the money. */
export abstract class PaymentGateway {
  /**
   * Charges the customer.
   * @throws GatewayUnavailableError when nothing was charged
   * @throws ChargeUnknownError when it may have been charged; ask with `find`
   */
  abstract charge(request: ChargeRequest): Promise<ChargeResult>;

  /** What became of a key, or undefined when the provider has never charged it. */
  abstract find(key: string): Promise<ChargeResult | undefined>;

  /** Gives the money of a charge back, once. */
  abstract refund(key: string): Promise<void>;
}

/** The provider refused to work on the request: throttled, down, or the key is in use by a request under way. */
export class GatewayUnavailableError extends RetryableError {
  override readonly code = 'GATEWAY_UNAVAILABLE';
}

/** The answer was lost. The charge exists or it does not. */
export class ChargeUnknownError extends RetryableError {
  override readonly code = 'CHARGE_UNKNOWN';
}
