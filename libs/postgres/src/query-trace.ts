import { context, SpanKind, SpanStatusCode, type Span } from '@opentelemetry/api';
import { isRecorded, tracerOf } from '@slipstream/tracing';
import type { Client } from 'pg';

const tracer = tracerOf('postgres');
const MAX_TEXT_LENGTH = 2_048;
const OPERATION =
  /^\s*(select|insert into|update|delete from|with|start transaction|[a-z]+)\b\s*(?:"?([\w.]+)"?)?/i;
/** After these words comes the table. */
const NAMES_TABLE = /^(insert into|update|delete from)$/i;

type Send = (...args: unknown[]) => unknown;

/**
 * Sends a query under a span, if whoever asks is being recorded: polling and housekeeping are not traced. The text has
 * placeholders where values are.
 */
export function sendTraced(client: Client, send: Send, args: unknown[]): unknown {
  if (!isRecorded(context.active())) return send(...args);
  const span = start(client, args[0]);
  const last = args.at(-1);
  if (typeof last === 'function') {
    const callback = context.bind(context.active(), last as (error?: unknown, result?: unknown) => void);
    args[args.length - 1] = (error?: unknown, result?: unknown) => {
      end(span, error);
      callback(error, result);
    };
    return send(...args);
  }
  const answer = send(...args);
  if (answer instanceof Promise) {
    answer.then(
      () => end(span),
      (error: unknown) => end(span, error),
    );
  } else end(span);
  return answer;
}

function start({ database, host, port }: Client, query: unknown): Span {
  const { text, name } =
    typeof query === 'string' ? { text: query } : (query as { text?: string; name?: string });
  const [, operation = 'query', table] = OPERATION.exec(text ?? '') ?? [];
  const verb = operation.toUpperCase();
  const summary = NAMES_TABLE.test(operation) && table ? `${verb} ${table}` : verb;
  return tracer.startSpan(name ?? summary, {
    kind: SpanKind.CLIENT,
    attributes: {
      'db.system.name': 'postgresql',
      'db.query.summary': summary,
      'db.operation.name': verb.split(' ')[0] ?? verb,
      'server.address': host,
      'server.port': port,
      ...(database !== undefined && { 'db.namespace': database }),
      ...(text !== undefined && { 'db.query.text': text.slice(0, MAX_TEXT_LENGTH) }),
    },
  });
}

/** The message of an error may repeat a value; its code says what went wrong. */
function end(span: Span, error?: unknown): void {
  if (error) {
    const { code, name } = error as { code?: unknown; name?: string };
    span.setAttribute('error.type', typeof code === 'string' ? code : (name ?? 'Error'));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
