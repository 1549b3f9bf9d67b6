import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import { OTHER_LABEL } from './bounded-labels.js';
import { DURATION_BUCKETS_SECONDS, PlainHistogram, type HistogramCell } from './plain-histogram.js';
import type { RequestTracing } from './tracing/request-tracing.js';

type Label = 'method' | 'route' | 'status';

const NAME = 'http_server_request_duration_seconds';
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Probes and scrapes would hide what users do. */
const UNMEASURED_ROUTES = /^\/(health|metrics)(\/|$)/;
const UNMATCHED = 'unmatched';
const ABORTED = 'aborted';

/** The registry is that of the process, which may hold more than one application. */
export function requestDurations(registry: Registry): PlainHistogram<Label> {
  const known = registry.getSingleMetric(NAME) as PlainHistogram<Label> | undefined;
  return (
    known ??
    new PlainHistogram({
      name: NAME,
      help: 'Time to answer a request, by method, route pattern and status; `aborted` when the client went away.',
      labelNames: ['method', 'route', 'status'],
      buckets: DURATION_BUCKETS_SECONDS,
      registers: [registry],
    })
  );
}

/**
 * Measures every request but probes and scrapes. What no route answers counts as one.
 * @param tracing absent while tracing is off
 */
export function measureRequests(
  instance: FastifyInstance,
  durations: PlainHistogram<Label>,
  tracing?: RequestTracing,
): void {
  const cells = new Map<string, HistogramCell<Label>>();
  instance.addHook('onRequest', (request, { raw: response }, done) => {
    const route = request.is404 ? UNMATCHED : (request.routeOptions.url ?? UNMATCHED);
    if (!UNMEASURED_ROUTES.test(route)) {
      const startedAt = performance.now();
      response.on('close', () => {
        const status = response.writableEnded ? String(response.statusCode) : ABORTED;
        const cell = cellOf(durations, cells, { method: methodOf(request), route, status });
        cell.observe((performance.now() - startedAt) / 1_000, tracing?.recordedTraceIdOf(request));
      });
    }
    done();
  });
}

function methodOf({ method }: FastifyRequest): string {
  return METHODS.has(method) ? method : OTHER_LABEL;
}

function cellOf(
  durations: PlainHistogram<Label>,
  cells: Map<string, HistogramCell<Label>>,
  labels: Record<Label, string>,
): HistogramCell<Label> {
  const key = `${labels.method} ${labels.route} ${labels.status}`;
  let cell = cells.get(key);
  if (cell === undefined) {
    cell = durations.cell(labels);
    cells.set(key, cell);
  }
  return cell;
}
