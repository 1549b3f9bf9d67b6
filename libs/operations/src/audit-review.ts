import { once } from 'node:events';
import { get as getPlainly, type IncomingMessage } from 'node:http';
import { get as getByTls } from 'node:https';
import { text as textOf } from 'node:stream/consumers';
import { ServiceUnavailableError } from './operations-errors.js';

const PAGE = 500;
/** The log is written in batches of up to a second; what differs for longer than this differs for good. */
const CATCH_UP_MS = 3_000;

interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface AuditServices {
  /** Base URL of audit-service. */
  readonly auditUrl: string;
  /** Base URL of order-service. */
  readonly ordersUrl: string;
}

export interface AuditProblem {
  readonly stream: string;
  readonly kind: string;
  readonly segment: number | null;
  readonly record: number | null;
  readonly detail: string;
}

/** What reading the whole log again found. */
export interface AuditVerification {
  readonly ok: boolean;
  readonly segments: number;
  readonly records: number;
  readonly problems: readonly AuditProblem[];
}

/** One thing that the log and order-service tell differently. */
export interface ReplayDifference {
  readonly orderId: string;
  readonly field: string;
  readonly log: string;
  readonly orders: string;
}

export interface ReplayComparison {
  /** Orders of both sides. */
  readonly orders: number;
  readonly differences: readonly ReplayDifference[];
}

interface OrderState {
  readonly orderId: string;
  readonly status: string;
  readonly customerId: string | null;
  readonly currency: string | null;
  readonly totalMinor: number | null;
}

interface ReplayedOrder extends OrderState {
  readonly contradiction: string | null;
}

const FIELDS = ['status', 'customerId', 'currency', 'totalMinor'] as const;

/** Has the audit log prove itself, and compares the orders it tells of with those order-service has. */
export class AuditReview {
  constructor(private readonly services: AuditServices) {}

  /** @throws ServiceUnavailableError */
  async verify(): Promise<AuditVerification> {
    return read('audit-service', `${this.services.auditUrl}/verify`, (text) => {
      const found = JSON.parse(text) as AuditVerification;
      if (!Array.isArray(found.problems)) throw new Error('it names no problems');
      return found;
    });
  }

  /**
   * Rebuilds the final state of every order from the log alone and compares it with order-service. What differs only
   * because one side was read a moment earlier is not reported.
   * @throws ServiceUnavailableError
   */
  async compareReplay(): Promise<ReplayComparison> {
    const first = await this.compareOnce();
    if (first.differences.length === 0) return first;
    await new Promise((resolve) => setTimeout(resolve, CATCH_UP_MS));
    const second = await this.compareOnce();
    const before = new Set(first.differences.map(keyOf));
    return { ...second, differences: second.differences.filter((found) => before.has(keyOf(found))) };
  }

  private async compareOnce(): Promise<ReplayComparison> {
    // Orders first: what they tell was published before, so the log can only know more.
    const orders = await this.readOrders();
    const log = await this.readReplay();
    const ids = new Set([...orders.keys(), ...log.keys()]);
    const differences = [...ids].flatMap((orderId) =>
      compare(orderId, log.get(orderId), orders.get(orderId)),
    );
    return { orders: ids.size, differences };
  }

  private async readReplay(): Promise<Map<string, ReplayedOrder>> {
    const found = await read('audit-service', `${this.services.auditUrl}/replay`, (body) => {
      const lines = body.split('\n').filter(Boolean);
      return lines.map((line) => JSON.parse(line) as ReplayedOrder);
    });
    return new Map(found.map((order) => [order.orderId, order]));
  }

  private async readOrders(): Promise<Map<string, OrderState>> {
    const orders = new Map<string, OrderState>();
    for (let after = ''; ;) {
      const query = `limit=${PAGE}${after && `&after=${encodeURIComponent(after)}`}`;
      const page = await read('order-service', `${this.services.ordersUrl}/orders?${query}`, (body) => {
        const found = JSON.parse(body) as { orders: OrderState[]; next: string | null };
        if (!Array.isArray(found.orders)) throw new Error('it names no orders');
        return found;
      });
      for (const order of page.orders) orders.set(order.orderId, order);
      if (page.next === null) return orders;
      after = page.next;
    }
  }
}

function compare(
  orderId: string,
  log: ReplayedOrder | undefined,
  order: OrderState | undefined,
): ReplayDifference[] {
  // Only its outcome is known so far: order-service does not show it before it was registered.
  if (!order && log?.customerId === null) return [];
  const differences = FIELDS.filter((field) => log?.[field] !== order?.[field]).map((field) => ({
    orderId,
    field,
    log: String(log?.[field] ?? ''),
    orders: String(order?.[field] ?? ''),
  }));
  const contradiction = log?.contradiction ?? null;
  return contradiction === null
    ? differences
    : [...differences, { orderId, field: 'contradiction', log: contradiction, orders: '' }];
}

function keyOf({ orderId, field }: ReplayDifference): string {
  return `${orderId} ${field}`;
}

async function read<T>(service: string, url: string, parse: (body: string) => T): Promise<T> {
  const body = await get(service, url);
  try {
    return parse(body);
  } catch (cause) {
    throw new ServiceUnavailableError(
      `${service} did not answer what was asked at ${url}`,
      'Repeat it, or name its address.',
      { cause },
    );
  }
}

async function get(service: string, url: string): Promise<string> {
  let answer: Answer;
  try {
    answer = await ask(url);
  } catch (cause) {
    throw new ServiceUnavailableError(
      `${service} does not answer at ${url}`,
      'Start it, or name its address.',
      { cause },
    );
  }
  if (answer.status === 200) return answer.body;
  const detail = detailOf(answer.body);
  throw new ServiceUnavailableError(
    `${service} answered ${answer.status} at ${url}${detail && `: ${detail}`}`,
    'See its log.',
  );
}

/** `fetch` would give up after five minutes without an answer, and reading a large log takes longer. */
async function ask(url: string): Promise<Answer> {
  const request = url.startsWith('https:') ? getByTls(url) : getPlainly(url);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await textOf(response) };
}

/** What a problem (RFC 9457) says; nothing where the answer is none. */
function detailOf(body: string): string {
  try {
    const { detail } = JSON.parse(body) as { detail?: unknown };
    return typeof detail === 'string' ? detail : '';
  } catch {
    return '';
  }
}
