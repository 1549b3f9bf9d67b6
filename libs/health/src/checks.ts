import type { ConsumerLiveness } from '@slipstream/jetstream';
import type { DataSource } from 'typeorm';
import type { HealthCheck } from './health-check.js';

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

/** Down when a consumer of this process is stalled or stopped; the reason names each of them. A paused one is well. */
export function consumersCheck(liveness: () => readonly ConsumerLiveness[]): HealthCheck {
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
      return { running: inState('running'), ...(paused.length > 0 && { paused }) };
    },
  };
}

/** Never down: an outbox that does not get rid of its events says `degraded`, while what fills it may go on. */
export function outboxCheck(
  current: () => { readonly isDegraded: boolean; readonly details: object },
): HealthCheck {
  return {
    key: 'outbox',
    async check() {
      const { isDegraded, details } = current();
      return { state: isDegraded ? 'degraded' : 'well', ...details };
    },
  };
}

/** Never down: says `degraded` and why where `check` would be, for an app that serves without what it checks. */
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
        return { state: 'degraded', reason: error instanceof Error ? error.message : String(error) };
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
  return `${nameOf(consumer)} is ${consumer.state}, silent for ${Math.round(consumer.silentMs)} ms`;
}

function nameOf(consumer: ConsumerLiveness): string {
  return `${consumer.stream}/${consumer.consumer}`;
}
