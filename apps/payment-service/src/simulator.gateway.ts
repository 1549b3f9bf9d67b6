import { z } from 'zod';
import {
  ChargeUnknownError,
  GatewayUnavailableError,
  PaymentGateway,
  type ChargeRequest,
  type ChargeResult,
} from './payment-gateway.js';

const TIMEOUT_MS = 10_000;
/** Requests that may succeed later, or that say that we are set up wrongly: neither is a word about the charge. */
const NOT_REFUSALS: ReadonlySet<number> = new Set([401, 403, 404, 405, 407, 408, 409, 425, 429]);

const chargeSchema = z.object({
  // An id outside of the contract of the events could be charged but never told.
  chargeId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  status: z.enum(['succeeded', 'declined']),
});

/** HTTP adapter for the payment-gateway simulator. */
export class SimulatorGateway extends PaymentGateway {
  constructor(private readonly baseUrl: string) {
    super();
  }

  async charge({ key, ...body }: ChargeRequest): Promise<ChargeResult> {
    const response = await this.send('POST', '/charges', { key, body });
    if (!isRefusal(response)) return readResult(await accepted(response));
    await response.body?.cancel();
    return { status: 'declined', reason: `the gateway refused the charge with status ${response.status}` };
  }

  async find(key: string): Promise<ChargeResult | undefined> {
    const response = await this.send('GET', `/charges/${encodeURIComponent(key)}`);
    if (response.status !== 404) return readResult(await accepted(response));
    await response.body?.cancel();
    return undefined;
  }

  async refund(key: string): Promise<void> {
    const response = await this.send('POST', `/charges/${encodeURIComponent(key)}/refund`);
    await (await accepted(response)).body?.cancel();
  }

  private send(method: string, path: string, request?: { key: string; body: object }): Promise<Response> {
    return this.fetch(`${this.baseUrl}${path}`, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(request && {
        headers: { 'content-type': 'application/json', 'idempotency-key': request.key },
        body: JSON.stringify(request.body),
      }),
    });
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

async function accepted(response: Response): Promise<Response> {
  if (response.ok) return response;
  await response.body?.cancel();
  throw toError(response);
}

function isRefusal({ status }: Response): boolean {
  return status >= 400 && status < 500 && !NOT_REFUSALS.has(status);
}

async function readResult(response: Response): Promise<ChargeResult> {
  const { status, chargeId } = await readCharge(response);
  return status === 'succeeded' ? { status, chargeId } : { status, reason: 'declined by the gateway' };
}

async function readCharge(response: Response): Promise<z.infer<typeof chargeSchema>> {
  try {
    return chargeSchema.parse(await response.json());
  } catch (cause) {
    throw new ChargeUnknownError('the answer of the gateway cannot be read', { cause });
  }
}

function toError({ status, headers }: Response): Error {
  const retryAfter = headers.get('retry-after');
  // A conflict that asks to wait means that a request with this key is under way.
  if (status === 429 || status === 503 || (status === 409 && retryAfter !== null)) {
    const seconds = Number(retryAfter);
    // A floor under the backoff: waiting no longer than asked would use up the attempts within seconds.
    const wait = seconds > 0 ? { notBeforeMs: seconds * 1_000 } : {};
    return new GatewayUnavailableError(`the gateway answered ${status}`, wait);
  }
  if (status >= 500) return new ChargeUnknownError(`the gateway answered ${status}`);
  return new Error(`the gateway refused the request with status ${status}`);
}

/** A refused connection is the one network error after which nothing can have been charged. */
function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return (cause as { code?: unknown } | undefined)?.code === 'ECONNREFUSED';
}
