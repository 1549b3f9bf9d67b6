import pg, { type QueryConfig, type QueryResult } from 'pg';
import { prepared } from './prepared-statements.js';

const BEGIN: QueryConfig = { name: 'begin', text: 'START TRANSACTION' };
/** Ends of a transaction in which nothing was asked. */
const ENDS: readonly unknown[] = ['COMMIT', 'ROLLBACK'];

type Send = (...args: unknown[]) => unknown;
type Callback = (error: Error | null | undefined, result: QueryResult) => void;

/** What the driver's types leave out of a connection and of a query. */
interface Wire {
  bind(config: { statement?: string }): void;
  execute(config: object): void;
}
interface WiredQuery extends pg.Submittable {
  callback: Callback;
  prepare(wire: Wire): void;
  handleCommandComplete(message: unknown, wire: Wire): void;
}

const Query = pg.Query as unknown as new (config: QueryConfig) => WiredQuery;

/**
 * A query that begins a transaction in the same message. When beginning fails the server passes over the query too: it
 * reads on after the one synchronization that ends both (PostgreSQL, "Pipelining" of the extended query protocol).
 */
class BeginningQuery extends Query {
  private hasBegun = false;

  override prepare(wire: Wire): void {
    wire.bind({ statement: BEGIN.name ?? '' });
    wire.execute({});
    super.prepare(wire);
  }

  override handleCommandComplete(message: unknown, wire: Wire): void {
    if (this.hasBegun) super.handleCommandComplete(message, wire);
    this.hasBegun = true;
  }
}

/** Begins a transaction together with its first query, which saves a round trip; one in which nothing is asked never begins. */
export class LazyBegin {
  private isOwed = false;
  /** Whether the server knows the statement by its name. */
  private isPrepared = false;

  constructor(
    private readonly send: Send,
    /** Sends a query of the driver's own kind. */
    private readonly submit: (query: pg.Submittable) => unknown,
  ) {}

  /**
   * @param pass sends what is asked, such as under a span
   * @returns the answer to a query with these arguments
   */
  query(args: unknown[], pass: (send: Send, args: unknown[]) => unknown): unknown {
    const [asked] = args;
    if (asked === BEGIN.text) return this.begin();
    if (!this.isOwed) return pass(this.send, args);
    this.isOwed = false;
    if (ENDS.includes(asked)) return Promise.resolve(nothing());
    const [config, ...rest] = prepared(args);
    if (isNamed(config) && rest.length === 0) return pass(() => this.sendBeginning(config), args);
    return this.sendBegin().then(() => pass(this.send, args));
  }

  private async begin(): Promise<QueryResult> {
    if (!this.isPrepared) return this.sendBegin();
    this.isOwed = true;
    return nothing();
  }

  private async sendBegin(): Promise<QueryResult> {
    const result = (await this.send(BEGIN)) as QueryResult;
    this.isPrepared = true;
    return result;
  }

  private sendBeginning(config: QueryConfig): Promise<QueryResult> {
    const query = Object.assign(new BeginningQuery(config), timeoutOf(config));
    return new Promise((resolve, reject) => {
      query.callback = (error, result) => (error ? reject(error) : resolve(result));
      this.submit(query);
    });
  }
}

function isNamed(config: unknown): config is QueryConfig {
  const { name, text } = config as Partial<QueryConfig>;
  return typeof name === 'string' && typeof text === 'string';
}

/** The client reads it from what it is given. */
function timeoutOf(config: QueryConfig): object {
  const { query_timeout } = config as { query_timeout?: number };
  return query_timeout === undefined ? {} : { query_timeout };
}

function nothing(): QueryResult {
  return { command: '', rowCount: null, oid: 0, rows: [], fields: [] };
}
