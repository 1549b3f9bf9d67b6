import type { Server } from 'node:http';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ProblemException } from './problem.js';

const INVALID_JSON = 'FST_ERR_CTP_INVALID_JSON_BODY';

/** Reads JSON and nothing else, with errors that say where the body is wrong. */
export function useJsonBodyParser(app: NestFastifyApplication, bodyLimit: number): void {
  refuseOthers(app);
  // 'error' refuses "__proto__" and "constructor.prototype" keys, which would poison merged objects.
  const parse = app.getHttpAdapter().getInstance().getDefaultJsonParser('error', 'error');
  app.useBodyParser<Server>('application/json', { bodyLimit }, (request, body, done) => {
    void parse(request, body.toString('utf8'), (error, value) => {
      done(isInvalidJson(error) ? describeInvalidJson(body) : error, value);
    });
  });
}

/** Read as text, a body would be a wrong one instead of one of the wrong type; a form any web page can send. */
function refuseOthers(app: NestFastifyApplication): void {
  app.getHttpAdapter().getInstance().removeContentTypeParser('text/plain');
  app.useBodyParser<Server>('application/x-www-form-urlencoded', {}, (_request, _body, done) => {
    done(new ProblemException(415, { detail: 'The body must be application/json.' }));
  });
}

function isInvalidJson(error: Error | null): boolean {
  return error !== null && 'code' in error && error.code === INVALID_JSON;
}

function describeInvalidJson(body: Buffer): ProblemException {
  return new ProblemException(400, {
    detail: `The body is not valid JSON: ${findReason(body.toString('utf8'))}`,
  });
}

function findReason(text: string): string {
  try {
    JSON.parse(text);
    return 'it holds a forbidden key (__proto__ or constructor.prototype).';
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}.`;
  }
}
