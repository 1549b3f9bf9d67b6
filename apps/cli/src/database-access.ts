import { Logger } from '@nestjs/common';
import { readEnvironment } from '@slipstream/bootstrap';
import { NotFoundError, type SystemFacts } from '@slipstream/operations';
import { askDurability, dataSourceOptions } from '@slipstream/postgres';
import { databaseEnvironment } from '@slipstream/service';
import { DataSource } from 'typeorm';
import { requireService } from '../../system.js';
import { DatabaseUnreachableError } from './errors.js';

/** Days of events take longer to count than a service may wait for an answer. */
const QUERY_TIMEOUT_MS = 10 * 60 * 1_000;

/**
 * Opens the database of a service as the service does, on the schema that is its own; migrates nothing.
 * @param part what the service must have there: the name of a table, and what it is called
 * @throws InvalidRequestError when there is no such service
 * @throws NotFoundError when it has no such part in the database
 * @throws DatabaseUnreachableError
 */
export async function withDatabaseOf<T>(
  service: string,
  part: { readonly table: string; readonly name: string },
  work: (dataSource: DataSource) => Promise<T>,
): Promise<T> {
  const { schema } = requireService(service);
  const { DATABASE_URL: url } = readEnvironment(databaseEnvironment, process.env);
  // What happens is in the result; programs could not read a line more.
  Logger.overrideLogger(false);
  const dataSource = await open(
    dataSourceOptions({ url, schema, migrations: [], poolSize: 2, queryTimeoutMs: QUERY_TIMEOUT_MS }),
  );
  try {
    const [{ found }] = await dataSource.query('SELECT to_regclass($1) AS found', [part.table]);
    if (found === null) {
      throw new NotFoundError(
        `${service} has no ${part.name} in this database`,
        'See that DATABASE_URL is the one of the service, and that it was started once.',
      );
    }
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

/** What the database says of itself; it is asked for nothing of a service. */
export async function askDatabase(): Promise<SystemFacts['database']> {
  if (!process.env['DATABASE_URL']?.trim() && !process.env['DATABASE_URL_FILE']) return 'unnamed';
  const { DATABASE_URL: url } = readEnvironment(databaseEnvironment, process.env);
  Logger.overrideLogger(false);
  return (await askDurability(url)) ?? 'unreachable';
}

async function open(options: ReturnType<typeof dataSourceOptions>): Promise<DataSource> {
  try {
    return await new DataSource(options).initialize();
  } catch (cause) {
    throw new DatabaseUnreachableError(cause);
  }
}
