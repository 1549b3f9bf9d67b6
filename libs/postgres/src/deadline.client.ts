import pg from 'pg';
import { sendTraced } from './query-trace.js';

/**
 * Tells of each query to OpenTelemetry where somebody records it, and ends its connection when a query is not answered within `query_timeout`: the driver leaves that query active, and the
 * pool would hand out a connection on which every further query waits behind it.
 */
export class DeadlineClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    const send = this.query.bind(this) as (...args: unknown[]) => unknown;
    this.query = ((...args: unknown[]) => {
      const answer = sendTraced(this, send, args);
      // Before the caller learns of it: what is ending is not taken back by the pool.
      if (answer instanceof Promise) answer.catch((error: unknown) => this.endIfSilent(error));
      return answer;
    }) as typeof this.query;
  }

  private endIfSilent(error: unknown): void {
    if (error instanceof Error && error.message === 'Query read timeout') this.end(() => undefined);
  }
}
