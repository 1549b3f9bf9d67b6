import type {
  About,
  AuditVerification,
  BulkOutcome,
  BulkRequest,
  ConsumerOverview,
  DeadLetterDetail,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterGroups,
  Findings,
  Handlers,
  History,
  Operator,
  OrderLife,
  Outcome,
  Overview,
  PauseRequest,
  RedriveRequest,
  ReplayComparison,
  ReplayCount,
  ReplayCountRequest,
  ReplayRequest,
  ReplayResult,
  TopologyChanges,
} from '../../src/api.js';
import { refuseToken, session } from './session.svelte.js';

const TIMEOUT_MS = 15_000;
const UNAUTHORIZED = 401;
export const NOT_FOUND = 404;

interface FieldError {
  readonly field: string;
  readonly reason: string;
}

/** Why there is no answer, in a sentence. */
export class Failure extends Error {
  constructor(
    message: string,
    /** 0 when the server did not answer at all. */
    readonly status: number,
    readonly fields: readonly FieldError[] = [],
  ) {
    super(message);
    this.name = 'Failure';
  }
}

type Query = Readonly<Record<string, string | number | undefined>>;

interface Call {
  readonly query?: Query;
  readonly body?: unknown;
  /** Null waits for as long as it takes. */
  readonly timeoutMs?: number | null;
}

const get = <T>(path: string, query: Query = {}) => request<T>('GET', path, { query });
const getSlowly = <T>(path: string, query: Query = {}) => request<T>('GET', path, { query, timeoutMs: null });
const post = <T>(path: string, body: unknown) => request<T>('POST', path, { body, timeoutMs: null });

/** Everything the server can be asked for. All of it throws a `Failure`. */
export const server = {
  about: () => get<About>('about'),
  overview: () => get<Overview>('overview'),
  history: () => get<History>('history'),
  handlers: () => get<Handlers>('handlers'),
  pause: (stream: string, consumer: string, body: PauseRequest) =>
    post<ConsumerOverview>(pathTo`consumers/${stream}/${consumer}/pause`, body),
  resume: (stream: string, consumer: string, body: Operator) =>
    post<ConsumerOverview>(pathTo`consumers/${stream}/${consumer}/resume`, body),
  deadLetters: (filter: DeadLetterQuery, page: { readonly after?: string; readonly limit: number }) =>
    getSlowly<DeadLetterPage>('dead-letters', { ...filter, ...page }),
  deadLetterGroups: () => getSlowly<DeadLetterGroups>('dead-letters/groups'),
  deadLetter: (id: string) => get<DeadLetterDetail>(pathTo`dead-letters/${id}`),
  redrive: (id: string, body: RedriveRequest) => post<Outcome>(pathTo`dead-letters/${id}/redrive`, body),
  discard: (id: string, body: Operator) => post<Outcome>(pathTo`dead-letters/${id}/discard`, body),
  redriveAll: (body: BulkRequest) => post<BulkOutcome>('dead-letters/redrive', body),
  discardAll: (body: BulkRequest) => post<BulkOutcome>('dead-letters/discard', body),
  countReplay: (body: ReplayCountRequest) => post<ReplayCount>('replays/count', body),
  replay: (body: ReplayRequest) => post<ReplayResult>('replays', body),
  life: (id: string, since?: string) => getSlowly<OrderLife>(pathTo`lives/${id}`, { since }),
  findings: () => getSlowly<Findings>('findings'),
  topologyChanges: () => getSlowly<TopologyChanges>('topology/changes'),
  verifyAudit: () => getSlowly<AuditVerification>('audit/verification'),
  compareAudit: () => getSlowly<ReplayComparison>('audit/comparison'),
};

function pathTo(parts: TemplateStringsArray, ...values: string[]): string {
  return String.raw({ raw: parts }, ...values.map(encodeURIComponent));
}

async function request<T>(method: string, path: string, call: Call): Promise<T> {
  const { token } = session;
  const response = await send(method, path, call, token);
  const answer = await readJson(response);
  if (response.status === UNAUTHORIZED) refuseToken(token);
  if (!response.ok) throw toFailure(response.status, answer);
  if (answer === undefined)
    throw new Failure('The server answered something other than JSON.', response.status);
  return answer as T;
}

async function send(method: string, path: string, call: Call, token: string): Promise<Response> {
  const { query = {}, body, timeoutMs = TIMEOUT_MS } = call;
  // An empty value says something, too.
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  const search = new URLSearchParams(given).toString();
  try {
    return await fetch(`api/${path}${search && `?${search}`}`, {
      method,
      headers: {
        accept: 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(timeoutMs !== null && { signal: AbortSignal.timeout(timeoutMs) }),
    });
  } catch (error) {
    throw new Failure(sayWhy(error), 0);
  }
}

function sayWhy(error: unknown): string {
  return error instanceof DOMException && error.name === 'TimeoutError'
    ? `The server of the console did not answer within ${TIMEOUT_MS / 1_000} s.`
    : 'The server of the console cannot be reached. It may have stopped, or the network is down.';
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}

/** From a problem (RFC 9457), or from whatever a proxy answers instead. */
function toFailure(status: number, answer: unknown): Failure {
  const { title, detail, errors } = Object(answer) as Record<string, unknown>;
  const told = [detail, title].find((text) => typeof text === 'string' && text !== '');
  return new Failure(
    typeof told === 'string' ? told : `The server answered ${status} and did not say why.`,
    status,
    Array.isArray(errors) ? errors.flatMap(toFieldError) : [],
  );
}

function toFieldError(error: unknown): FieldError[] {
  const { field, reason } = Object(error) as Record<string, unknown>;
  return typeof field === 'string' && typeof reason === 'string' ? [{ field, reason }] : [];
}
