import type { NatsConnection } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import { readEnvironment } from '@slipstream/bootstrap';
import { JetStreamConnection, JetStreamPublisher, StreamIndex } from '@slipstream/jetstream';
import { InvalidRequestError, NotFoundError } from '@slipstream/operations';
import {
  listSetAside,
  OutboxReconciler,
  republish,
  requeue,
  type OutboxPublisher,
  type ReconciliationReport,
  type ReconciliationRequest,
  type RepublishReport,
  type RepublishRequest,
  type SetAsideEvent,
} from '@slipstream/outbox';
import { dataSourceOptions } from '@slipstream/postgres';
import { databaseEnvironment } from '@slipstream/service';
import { DataSource } from 'typeorm';
import { services } from './declared.js';
import { DatabaseUnreachableError } from './errors.js';

export type { SetAsideEvent, RepublishReport } from '@slipstream/outbox';

const DRY: OutboxPublisher = {
  publishBatch: () => Promise.reject(new Error('a dry run publishes nothing')),
};

/**
 * Opens the outbox of a service as the service does, on the schema that is its own; migrates nothing.
 * @throws InvalidRequestError when there is no such service
 * @throws NotFoundError when it has no outbox in the database
 * @throws DatabaseUnreachableError
 */
export async function withOutboxOf<T>(
  service: string,
  work: (outbox: OutboxAccess) => Promise<T>,
): Promise<T> {
  const { schema } = findService(service);
  const { DATABASE_URL: url } = readEnvironment(databaseEnvironment, process.env);
  // What happens is in the result; programs could not read a line more.
  Logger.overrideLogger(false);
  const dataSource = await open(dataSourceOptions({ url, schema, migrations: [], poolSize: 2 }));
  try {
    const [{ outbox }] = await dataSource.query(`SELECT to_regclass('outbox_set_aside') AS outbox`);
    if (outbox === null) {
      throw new NotFoundError(
        `${service} has no outbox in this database`,
        'See that DATABASE_URL is the one of the service, and that it was started once.',
      );
    }
    return await work(new OutboxAccess(dataSource));
  } finally {
    await dataSource.destroy();
  }
}

/** What an operator does with the outbox of a service. */
class OutboxAccess {
  constructor(private readonly dataSource: DataSource) {}

  setAside(limit: number): Promise<SetAsideEvent[]> {
    return listSetAside(this.dataSource, limit);
  }

  /** @returns how many of the ids were set aside */
  requeue(ids: readonly number[]): Promise<number> {
    return requeue(this.dataSource, ids);
  }

  /** Needs no broker. */
  count(request: RepublishRequest): Promise<RepublishReport> {
    return republish(this.dataSource, DRY, { ...request, isDryRun: true });
  }

  republish(nc: NatsConnection, request: RepublishRequest): Promise<RepublishReport> {
    return republish(this.dataSource, publisherOver(JetStreamConnection.over(nc)), request);
  }

  /** Compares everything of the time asked for; the reconciler takes a bounded number of events at a time. */
  async reconcile(nc: NatsConnection, request: ReconciliationRequest): Promise<ReconciliationReport> {
    const connection = JetStreamConnection.over(nc);
    const streams = new StreamIndex(connection);
    const reconciler = new OutboxReconciler(this.dataSource, publisherOver(connection), streams);
    const sum = { compared: 0, missing: [] as string[], repaired: 0, unknown: 0 };
    for (let after = request.after; ;) {
      const { compared, missing, repaired, unknown, next } = await reconciler.reconcile({
        ...request,
        ...(after && { after }),
      });
      sum.compared += compared;
      sum.missing.push(...missing);
      sum.repaired += repaired;
      sum.unknown += unknown;
      if (!next) return sum;
      after = next;
    }
  }
}

function findService(name: string): { readonly schema: string } {
  const service = services.find((candidate) => candidate.name === name);
  if (service) return service;
  const names = services.map((candidate) => candidate.name).join(', ');
  throw new InvalidRequestError(`there is no service ${name}`, `Give one of ${names}.`);
}

async function open(options: ReturnType<typeof dataSourceOptions>): Promise<DataSource> {
  try {
    return await new DataSource(options).initialize();
  } catch (cause) {
    throw new DatabaseUnreachableError(cause);
  }
}

function publisherOver(connection: JetStreamConnection): JetStreamPublisher {
  return new JetStreamPublisher(connection, { settled: () => undefined, published: () => undefined });
}
