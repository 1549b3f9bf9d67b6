import { z } from 'zod';
import { HttpClient, type HttpAnswer, type HttpQuestion } from './http-client.js';
import {
  AnswerLostError,
  ChargePendingError,
  GatewayUnavailableError,
  KeyMisusedError,
  PaymentGateway,
  type ChargeRequest,
  type ChargeResult,
  type RefundRequest,
  type RefundResult,
} from './payment-gateway.js';
import { retryAfterMs } from './retry-after.js';

const TIMEOUT_MS = 8_000;
const JSON_TYPE = { 'content-type': 'application/json' };
/** We are set up wrongly, or too early: nothing was charged, and nothing is said about this charge. */
const LOCKED_OUT: ReadonlySet<number> = new Set([401, 403, 404, 405, 407, 425]);

const chargeSchema = z.object({
  // An id outside of the contract of the events could be charged but never told.
  chargeId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  status: z.enum(['succeeded', 'declined']),
});
const closedSchema = z.object({ status: z.literal('closed') });

/** HTTP adapter for the payment-gateway simulator, which never forgets a key. */
export class SimulatorGateway extends PaymentGateway {
  readonly keyLifetimeMs = Infinity;
  private readonly http: HttpClient;

  constructor(baseUrl: string) {
    super();
    this.http = new HttpClient(baseUrl, TIMEOUT_MS);
  }

  async charge({ key, orderId, amountMinor, currency }: ChargeRequest): Promise<ChargeResult> {
    const answer = await this.send({
      method: 'POST',
      path: '/charges',
      headers: { ...JSON_TYPE, 'idempotency-key': key },
      body: JSON.stringify({ orderId, amountMinor, currency }),
    });
    if (answer.status === 422) throw new KeyMisusedError(`the key ${key} stands for another charge`);
    if (isRefusal(answer)) {
      return { status: 'declined', reason: `the gateway refused the charge with status ${answer.status}` };
    }
    return readResult(accepted(answer));
  }

  async find({ key }: ChargeRequest): Promise<ChargeResult | undefined> {
    const answer = await this.send({ method: 'GET', path: `/charges/${encodeURIComponent(key)}` });
    return answer.status === 404 ? undefined : readResult(accepted(answer));
  }

  async close({ key }: ChargeRequest): Promise<ChargeResult> {
    const answer = await this.send({ method: 'POST', path: `/charges/${encodeURIComponent(key)}/close` });
    return readResult(accepted(answer));
  }

  async refund({ key }: RefundRequest): Promise<RefundResult> {
    const answer = await this.send({ method: 'POST', path: `/charges/${encodeURIComponent(key)}/refund` });
    // It has lost this charge. Counted as an outage, a few such refunds would keep healthy orders out for ever.
    if (answer.status === 404) throw new ChargePendingError(`the gateway does not know the charge of ${key}`);
    accepted(answer);
    return { status: 'succeeded' };
  }

  private async send(question: HttpQuestion): Promise<HttpAnswer> {
    try {
      return await this.http.send(question);
    } catch (cause) {
      // A refused connection is the one network error after which nothing can have been charged.
      if ((cause as { code?: unknown }).code === 'ECONNREFUSED') {
        throw new GatewayUnavailableError('the gateway does not accept connections', { cause });
      }
      throw new AnswerLostError('the gateway did not answer', { cause });
    }
  }
}

function isRefusal({ status }: HttpAnswer): boolean {
  return status >= 400 && status < 500 && !LOCKED_OUT.has(status) && ![408, 409, 429].includes(status);
}

function accepted(answer: HttpAnswer): HttpAnswer {
  const { status, retryAfter } = answer;
  if (status >= 200 && status < 300) return answer;
  const message = `the gateway answered ${status}`;
  const wait = { notBeforeMs: retryAfterMs(retryAfter) };
  // A conflict that asks to wait means that a request with this key is under way.
  if (status === 409 && retryAfter !== undefined) throw new ChargePendingError(message, wait);
  if (status === 429 || status === 503 || LOCKED_OUT.has(status)) {
    throw new GatewayUnavailableError(message, wait);
  }
  if (status >= 500 || status === 408) throw new AnswerLostError(message, wait);
  throw new Error(message);
}

function readResult({ body }: HttpAnswer): ChargeResult {
  try {
    const answer: unknown = JSON.parse(body);
    if (closedSchema.safeParse(answer).success) return { status: 'voided' };
    const { status, chargeId } = chargeSchema.parse(answer);
    return status === 'succeeded' ? { status, chargeId } : { status, reason: 'declined by the gateway' };
  } catch (cause) {
    throw new AnswerLostError('the answer of the gateway cannot be read', { cause });
  }
}
