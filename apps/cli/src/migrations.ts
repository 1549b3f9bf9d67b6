import { Logger } from '@nestjs/common';
import { readEnvironment } from '@slipstream/bootstrap';
import { dataSourceOptions, migrate } from '@slipstream/postgres';
import { databaseEnvironment, serviceMigrations } from '@slipstream/service';
import { requireService, services } from '../../system.js';
import { DatabaseUnreachableError } from './errors.js';

/**
 * Runs the pending migrations of all services, or of one.
 * @throws InvalidRequestError when there is no such service
 * @throws DatabaseUnreachableError
 */
export async function migrateServices(name?: string): Promise<{ service: string; migration: string }[]> {
  const { DATABASE_URL: url } = readEnvironment(databaseEnvironment, process.env);
  // What happens is in the result; programs could not read a line more.
  Logger.overrideLogger(false);
  const done: { service: string; migration: string }[] = [];
  for (const { name: service, schema, migrations } of name === undefined
    ? services
    : [requireService(name)]) {
    const options = dataSourceOptions({ url, schema, migrations: serviceMigrations(migrations) });
    for (const migration of await migrate(options, schema).catch(explain)) done.push({ service, migration });
  }
  return done;
}

function explain(cause: unknown): never {
  const isConnecting = cause instanceof AggregateError || (cause instanceof Error && 'syscall' in cause);
  throw isConnecting ? new DatabaseUnreachableError(cause) : cause;
}
