import pg from 'pg';
import { databaseErrorCode } from './database-error.js';
import { LazyBegin } from './lazy-begin.js';
import { prepared } from './prepared-statements.js';
import { sendTraced } from './query-trace.js';

/** SQLSTATE feature_not_supported: a migration changed what a planned statement returns, which fails until the connection ends. */
const PLAN_IS_OUT_OF_DATE = '0A000';

/**
 * Has statements planned once, begins transactions with their first query, tells of each query to OpenTelemetry where
 * somebody records it, and ends its connection when a query is not answered within `query_timeout`: the driver leaves that
 * query active, and the pool would hand out a connection on which every further query waits behind it.
 */
export class DeadlineClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    const query = this.query.bind(this) as (...args: unknown[]) => unknown;
    const transactions = new LazyBegin((...args) => query(...prepared(args)), query);
    this.query = ((...args: unknown[]) => {
      const answer = transactions.query(args, (send, asked) => sendTraced(this, send, asked));
      // Before the caller learns of it: what is ending is not taken back by the pool.
      if (answer instanceof Promise) answer.catch((error: unknown) => this.endIfUnfit(error));
      return answer;
    }) as typeof this.query;
  }

  private endIfUnfit(error: unknown): void {
    const isSilent = error instanceof Error && error.message === 'Query read timeout';
    if (isSilent || databaseErrorCode(error) === PLAN_IS_OUT_OF_DATE) this.end(() => undefined);
  }
}
