import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

interface Intent {
  readonly id: string;
  readonly object: 'payment_intent';
  readonly amount: number;
  readonly currency: string;
  readonly metadata: Record<string, string>;
  status: string;
  last_payment_error: object | null;
}

interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Record<string, string>;
}

/** A request with an idempotency key: what it asked, and what it was answered once that is known. */
interface Recorded {
  readonly question: string;
  answer: Answer | undefined;
}

export type StripeFault =
  | 'none'
  /** Too many requests. */
  | 'throttle'
  /** Money moves, and the answer is lost. */
  | 'lose'
  /** The bank says no. */
  | 'decline'
  /** Confirmed payments are not decided. */
  | 'process'
  /** Creating an intent fails inside of Stripe, which remembers that. */
  | 'break'
  /** Confirming moves the money and then fails inside of Stripe, which remembers that. */
  | 'break-after'
  /** Confirming fails inside of Stripe before money moves, which remembers that. */
  | 'break-before'
  /** The customer has had the bank take the money back. */
  | 'dispute'
  /** Our account holds too little for refunds. */
  | 'poor'
  /** Confirmations wait for `release`. */
  | 'hold';

const API_KEY = 'sk_test_stand_in';

/** The calls of Stripe's API that the adapter makes, as the documentation describes them. */
export class StripeStandIn {
  readonly apiKey = API_KEY;
  fault: StripeFault = 'none';
  charges = 0;
  refunds = 0;
  readonly requests: string[] = [];
  private readonly server: Server;
  private readonly intents = new Map<string, Intent>();
  private readonly refunded = new Set<string>();
  private readonly recorded = new Map<string, Recorded>();
  private released = Promise.withResolvers<void>();
  /** What the search knows, which lags behind. */
  private indexed: Intent[] = [];

  constructor() {
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  /** @param host as a URL names it */
  async start(host = '127.0.0.1'): Promise<string> {
    const address = host.replace(/^\[(.*)\]$/, '$1');
    await new Promise<void>((listening) => this.server.listen(0, address, listening));
    return `http://${host}:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  /** A day passes. */
  forgetKeys(): void {
    this.recorded.clear();
  }

  index(): void {
    this.indexed = [...this.intents.values()];
  }

  release(): void {
    this.released.resolve();
    this.released = Promise.withResolvers<void>();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://stripe');
    const form = new URLSearchParams(await text(request));
    const question = `${request.method} ${url.pathname}`;
    this.requests.push(question);
    const answer = this.refuse(request) ?? (await this.once(request, url, form));
    const movesMoney = /\/(confirm|refunds)$/.test(url.pathname);
    if (this.fault === 'lose' && movesMoney) {
      response.destroy();
      return;
    }
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    response.end(JSON.stringify(answer.body));
  }

  /** Before anything is executed: such answers are not remembered. */
  private refuse(request: IncomingMessage): Answer | undefined {
    if (request.headers.authorization !== `Bearer ${API_KEY}`) {
      return failure(401, { type: 'invalid_request_error', message: 'Invalid API Key provided' });
    }
    if (this.fault !== 'throttle') return undefined;
    const refusal = failure(429, { type: 'invalid_request_error', code: 'rate_limit', message: 'Too many' });
    return { ...refusal, headers: { 'retry-after': '3' } };
  }

  /** The answer to the first request with a key is the answer to all of them. */
  private async once(request: IncomingMessage, url: URL, form: URLSearchParams): Promise<Answer> {
    const key = request.headers['idempotency-key'];
    if (request.method !== 'POST' || typeof key !== 'string') return this.execute(request, url, form);
    const question = `${url.pathname}?${form.toString()}`;
    const earlier = this.recorded.get(key);
    if (earlier && earlier.question !== question) {
      const message = 'Keys for idempotent requests can only be used with the same parameters';
      return failure(400, { type: 'idempotency_error', message });
    }
    if (earlier && !earlier.answer) {
      const message = 'There is currently another in-progress request using this Idempotent Key';
      return failure(409, { type: 'idempotency_error', code: 'idempotency_key_in_use', message });
    }
    if (earlier?.answer) return { ...earlier.answer, headers: { 'idempotent-replayed': 'true' } };
    const record: Recorded = { question, answer: undefined };
    this.recorded.set(key, record);
    record.answer = structuredClone(await this.execute(request, url, form));
    return record.answer;
  }

  private async execute(request: IncomingMessage, url: URL, form: URLSearchParams): Promise<Answer> {
    const [, , resource, id = '', action] = url.pathname.split('/');
    if (resource === 'refunds') return this.refund(form.get('payment_intent') ?? '');
    if (request.method === 'POST' && id === '') return this.create(form);
    if (id === 'search') return this.search(url.searchParams.get('query') ?? '');
    const intent = this.intents.get(id);
    if (!intent)
      return failure(404, { type: 'invalid_request_error', code: 'resource_missing', message: id });
    if (action === 'confirm') return this.confirm(intent);
    return action === 'cancel' ? this.cancel(intent) : ok(intent);
  }

  private create(form: URLSearchParams): Answer {
    if (this.fault === 'break') return broken();
    const amount = Number(form.get('amount'));
    if (amount < 50) {
      const message = 'Amount must be at least €0.50 eur';
      return failure(400, {
        type: 'invalid_request_error',
        code: 'amount_too_small',
        param: 'amount',
        message,
      });
    }
    const metadata: Record<string, string> = {};
    for (const [name, value] of form) {
      const [, field] = /^metadata\[(\w+)\]$/.exec(name) ?? [];
      if (field !== undefined) metadata[field] = value;
    }
    const intent: Intent = {
      id: `pi_${this.intents.size + 1}`,
      object: 'payment_intent',
      amount,
      currency: form.get('currency') ?? '',
      metadata,
      status: 'requires_confirmation',
      last_payment_error: null,
    };
    this.intents.set(intent.id, intent);
    return ok(intent);
  }

  private async confirm(intent: Intent): Promise<Answer> {
    if (this.fault === 'hold') await this.released.promise;
    if (this.fault === 'break-before') return broken();
    if (!['requires_confirmation', 'requires_payment_method'].includes(intent.status)) {
      return unexpectedState(intent);
    }
    if (this.fault === 'decline') {
      const error = { type: 'card_error', code: 'card_declined', decline_code: 'insufficient_funds' };
      intent.status = 'requires_payment_method';
      intent.last_payment_error = error;
      return failure(402, { ...error, message: 'Your card has insufficient funds.', payment_intent: intent });
    }
    intent.status = this.fault === 'process' ? 'processing' : 'succeeded';
    if (intent.status === 'succeeded') this.charges++;
    return this.fault === 'break-after' ? broken() : ok(intent);
  }

  private cancel(intent: Intent): Answer {
    if (['succeeded', 'canceled', 'processing'].includes(intent.status)) return unexpectedState(intent);
    intent.status = 'canceled';
    return ok(intent);
  }

  private refund(intentId: string): Answer {
    if (this.refunded.has(intentId)) {
      const message = 'Charge has already been refunded.';
      return failure(400, { type: 'invalid_request_error', code: 'charge_already_refunded', message });
    }
    if (this.fault === 'break') return broken();
    if (this.fault === 'dispute') {
      const message = `Charge for ${intentId} has been charged back; cannot issue a refund.`;
      return failure(400, { type: 'invalid_request_error', code: 'charge_disputed', message });
    }
    if (this.fault === 'poor') {
      const message = 'Insufficient funds in your Stripe account to issue a refund.';
      return failure(400, { type: 'invalid_request_error', code: 'balance_insufficient', message });
    }
    if (this.intents.get(intentId)?.status !== 'succeeded') {
      return failure(400, { type: 'invalid_request_error', message: 'no successful charge to refund' });
    }
    this.refunded.add(intentId);
    this.refunds++;
    return ok({ id: `re_${this.refunds}`, object: 'refund', status: 'succeeded' });
  }

  private search(query: string): Answer {
    const [, key] = /^metadata\['charge_key'\]:'(.+)'$/.exec(query) ?? [];
    const data = this.indexed.filter(({ metadata }) => metadata['charge_key'] === key);
    return ok({
      object: 'search_result',
      data,
      has_more: false,
      next_page: null,
      url: '/v1/payment_intents/search',
    });
  }
}

function ok(body: object): Answer {
  return { status: 200, body };
}

function failure(status: number, error: object): Answer {
  return { status, body: { error } };
}

function broken(): Answer {
  return failure(500, { type: 'api_error', message: 'An unknown error occurred' });
}

function unexpectedState({ status }: Intent): Answer {
  const message = `This PaymentIntent's status is ${status}.`;
  return failure(400, { type: 'invalid_request_error', code: 'payment_intent_unexpected_state', message });
}
