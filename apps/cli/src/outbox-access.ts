import type { NatsConnection } from '@nats-io/transport-node';
import { JetStreamConnection, JetStreamPublisher, StreamIndex } from '@slipstream/jetstream';
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
import type { DataSource } from 'typeorm';
import { withDatabaseOf } from './database-access.js';

export type { SetAsideEvent, RepublishReport } from '@slipstream/outbox';

const DRY: OutboxPublisher = {
  publishBatch: () => Promise.reject(new Error('a dry run publishes nothing')),
};

/**
 * Opens the outbox of a service.
 * @throws what `withDatabaseOf` throws
 */
export function withOutboxOf<T>(service: string, work: (outbox: OutboxAccess) => Promise<T>): Promise<T> {
  const part = { table: 'outbox_set_aside', name: 'outbox' };
  return withDatabaseOf(service, part, (dataSource) => work(new OutboxAccess(dataSource)));
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

function publisherOver(connection: JetStreamConnection): JetStreamPublisher {
  return new JetStreamPublisher(connection, { settled: () => undefined, published: () => undefined });
}
