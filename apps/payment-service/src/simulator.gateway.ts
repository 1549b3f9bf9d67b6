import {
  ChargeUnknownError,
  GatewayUnavailableError,
  PaymentGateway,
  type ChargeRequest,
  type ChargeResult,
} from './payment-gateway.js';

const TIMEOUT_MS = 10_000;

interface ChargeBody {
  readonly chargeId: string;
  readonly status: 'succeeded' | 'declined';
}

/** HTTP adapter for the payment-gateway simulator. */
export class SimulatorGateway extends PaymentGateway {
  constructor(private readonly baseUrl: string) {
    super();
  }

  async charge({ key, ...body }: ChargeRequest): Promise<ChargeResult> {
    const response = await this.send('POST', '/charges', { key, body });
    return toResult((await readJson(response)) as ChargeBody);
  }

  async find(key: string): Promise<ChargeResult | undefined> {
    const response = await this.send('GET', `/charges/${encodeURIComponent(key)}`);
    return response.status === 404 ? undefined : toResult((await readJson(response)) as ChargeBody);
  }

  async refund(key: string): Promise<void> {
    const response = await this.send('POST', `/charges/${encodeURIComponent(key)}/refund`);
    await response.body?.cancel();
    if (!response.ok)
      throw new Error(`the gateway refused to refund "${key}" with status ${response.status}`);
  }

  private async send(
    method: string,
    path: string,
    request?: { key: string; body: object },
  ): Promise<Response> {
    const response = await this.fetch(`${this.baseUrl}${path}`, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(request && {
        headers: { 'content-type': 'application/json', 'idempotency-key': request.key },
        body: JSON.stringify(request.body),
      }),
    });
    if (response.ok || response.status === 404) return response;
    await response.body?.cancel();
    throw toError(response);
  }

  private async fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (cause) {
      const refused = isRefused(cause);
      if (refused) throw new GatewayUnavailableError('the gateway does not accept connections', { cause });
      throw new ChargeUnknownError('the gateway did not answer', { cause });
    }
  }
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    throw new ChargeUnknownError('the answer of the gateway was cut off', { cause });
  }
}

function toResult(charge: ChargeBody): ChargeResult {
  return charge.status === 'succeeded'
    ? { status: 'succeeded', chargeId: charge.chargeId }
    : { status: 'declined', reason: 'declined by the gateway' };
}

function toError({ status, headers }: Response): Error {
  const retryAfter = headers.get('retry-after');
  // A conflict that asks to wait means that a request with this key is under way.
  if (status === 429 || status === 503 || (status === 409 && retryAfter !== null)) {
    const seconds = Number(retryAfter);
    const delay = seconds > 0 ? { delayMs: seconds * 1_000 } : {};
    return new GatewayUnavailableError(`the gateway answered ${status}`, delay);
  }
  if (status >= 500) return new ChargeUnknownError(`the gateway answered ${status}`);
  return new Error(`the gateway refused the request with status ${status}`);
}

/** A refused connection is the one network error after which nothing can have been charged. */
function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return (cause as { code?: unknown } | undefined)?.code === 'ECONNREFUSED';
}
