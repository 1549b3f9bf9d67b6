import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Options } from 'pino-http';

const UNLOGGED_PATHS = /^\/(health|metrics)(\/|\?|$)/;

/** Routes whose requests are logged: all. The default of nestjs-pino, `{/*splat}`, matches none in the fastify adapter. */
export const LOGGED_ROUTES = ['*path'];

/** One line per request with its id, method, path, status and duration; bodies and headers are never logged. */
export function requestLogOptions(): Options {
  return {
    autoLogging: { ignore: (request) => UNLOGGED_PATHS.test(pathOf(request)) },
    customLogLevel: (_request, response, error) =>
      error !== undefined || response.statusCode >= 500 ? 'error' : 'info',
    customSuccessMessage: (_request, response) =>
      response.writableEnded ? 'request handled' : 'request aborted',
    customErrorMessage: () => 'request failed',
    // The error of a 5xx is logged where it is caught; pino-http would add an invented one.
    customErrorObject: (_request, _response, _error, value: Record<string, unknown>) => omitError(value),
    customAttributeKeys: { responseTime: 'duration_ms' },
    wrapSerializers: false,
    serializers: {
      req: (request: IncomingMessage & { id?: unknown }) => ({
        id: request.id,
        method: request.method,
        path: pathOf(request),
      }),
      res: (response: ServerResponse) => ({ status: response.statusCode }),
    },
  };
}

/** Path without the query: a query may hold what does not belong into a log. */
function pathOf(request: IncomingMessage & { originalUrl?: string }): string {
  const url = request.originalUrl ?? request.url ?? '';
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

function omitError(value: Record<string, unknown>): Record<string, unknown> {
  const { err: _err, ...rest } = value;
  return rest;
}
