import type { ConsumerLiveness } from '@slipstream/jetstream';
import type { DataSource } from 'typeorm';
import { Degraded, type HealthCheck } from './health-check.js';

/** Less than the time-out of a probe's checks, which would make it down. */
const DEGRADED_AFTER_MS = 700;

/** Down when the database does not answer `SELECT 1`. */
export function databaseCheck(dataSource: Pick<DataSource, 'query'>): HealthCheck {
  return {
    key: 'database',
    async check() {
      await dataSource.query('SELECT 1');
    },
  };
}

/**
 * Down until `ask` resolves, and never again: what has started stays started, whatever happens to the database or the broker
 * afterwards, or an orchestrator would kill what only waits.
 */
export function startedCheck(key: string, ask: () => Promise<Record<string, unknown> | void>): HealthCheck {
  let details: Record<string, unknown> | undefined;
  return {
    key,
    async check() {
      details ??= (await ask()) ?? {};
      return details;
    },
  };
}

/**
 * Down when a consumer of this process is stalled or stopped; the reason names each of them. A paused one is well. Degraded
 * when more than `lagLimit` messages wait for one.
 */
export function consumersCheck(liveness: () => readonly ConsumerLiveness[], lagLimit: number): HealthCheck {
  return {
    key: 'consumers',
    async check() {
      const consumers = liveness();
      const broken = consumers.filter(({ state }) => state !== 'running' && state !== 'paused');
      if (broken.length > 0) {
        throw new Error(broken.map(describeConsumer).join('; '));
      }
      const inState = (wanted: ConsumerLiveness['state']) =>
        consumers.filter(({ state }) => state === wanted).map(nameOf);
      const paused = inState('paused');
      const details = { running: inState('running'), ...(paused.length > 0 && { paused }) };
      const late = consumers.filter(({ pending }) => pending > lagLimit);
      if (late.length === 0) return details;
      const reason = late.map((one) => `${one.pending} messages wait for ${nameOf(one)}`).join('; ');
      return new Degraded(reason, details);
    },
  };
}

/** Never down: an outbox that does not get rid of its events is degraded, while what fills it may go on. */
export function outboxCheck(
  current: () => { readonly problems: readonly string[]; readonly details: object },
): HealthCheck {
  return {
    key: 'outbox',
    async check() {
      const { problems, details } = current();
      return problems.length > 0 ? new Degraded(problems.join('; '), { ...details }) : { ...details };
    },
  };
}

/** Never down: degraded where `check` would be down, for an app that serves without what it checks. */
export function degradable(inner: HealthCheck): HealthCheck {
  return {
    key: inner.key,
    async check() {
      const { promise: late, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => reject(new Error(`no answer within ${DEGRADED_AFTER_MS} ms`)),
        DEGRADED_AFTER_MS,
      );
      try {
        return await Promise.race([inner.check(), late]);
      } catch (error) {
        return new Degraded(error instanceof Error ? error.message : String(error));
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Down while `ping` rejects, as in `connectionCheck('nats', () => connection.flush())`. */
export function connectionCheck(key: string, ping: () => Promise<void>): HealthCheck {
  return { key, check: ping };
}

function describeConsumer(consumer: ConsumerLiveness): string {
  const { state, silentMs, stuckMs } = consumer;
  const since =
    stuckMs > silentMs
      ? `messages wait and nothing has moved for ${Math.round(stuckMs / 1_000)} s`
      : `silent for ${Math.round(silentMs)} ms`;
  return `${nameOf(consumer)} is ${state}, ${since}`;
}

function nameOf({ stream, consumer }: ConsumerLiveness): string {
  return `${stream}/${consumer}`;
}
