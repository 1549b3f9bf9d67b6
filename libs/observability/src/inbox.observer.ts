import type { Logger } from 'pino';
import { Counter, type Registry } from 'prom-client';

interface InboxMessage {
  readonly consumer: string;
  readonly messageId: string;
}

/** Counts what inboxes find, and logs what somebody must look at. Give it to the inbox. */
export class InboxObserver {
  private readonly fresh: Counter<'consumer'>;
  private readonly hits: Counter<'consumer'>;
  private readonly alarms: Counter<'consumer'>;
  private readonly takeovers: Counter<'consumer'>;
  private readonly known = new Set<string>();

  constructor(
    private readonly log: Logger,
    registry: Registry,
  ) {
    this.fresh = counterOf(registry, 'idempotency_fresh_total', 'Messages whose effect was run.');
    this.hits = counterOf(registry, 'idempotency_hits_total', 'Duplicates that the inbox knew.');
    this.alarms = counterOf(
      registry,
      'idempotency_alarms_total',
      'Message ids that came again with another body.',
    );
    this.takeovers = counterOf(
      registry,
      'idempotency_lease_takeovers_total',
      'Messages taken over from a holder that never finished.',
    );
  }

  claimed(consumer: string, { fresh, duplicates }: { fresh: number; duplicates: number }): void {
    if (!this.known.has(consumer)) this.introduce(consumer);
    if (fresh > 0) this.fresh.inc({ consumer }, fresh);
    if (duplicates > 0) this.hits.inc({ consumer }, duplicates);
  }

  /** From 0 on: a series that begins with its first conflict shows no increase. */
  private introduce(consumer: string): void {
    this.known.add(consumer);
    for (const counter of [this.fresh, this.hits, this.alarms, this.takeovers]) counter.inc({ consumer }, 0);
  }

  conflicted({ consumer, messageId }: InboxMessage): void {
    this.alarms.inc({ consumer });
    this.log.error({ consumer, message_id: messageId }, 'a message id came again with another body');
  }

  tookOver({ consumer, messageId }: InboxMessage): void {
    this.takeovers.inc({ consumer });
    this.log.warn({ consumer, message_id: messageId }, 'a message was taken over from a holder that died');
  }
}

/** The registry is that of the process, which may hold more than one application. */
function counterOf(registry: Registry, name: string, help: string): Counter<'consumer'> {
  const known = registry.getSingleMetric(name) as Counter<'consumer'> | undefined;
  return known ?? new Counter({ name, help, labelNames: ['consumer'], registers: [registry] });
}
