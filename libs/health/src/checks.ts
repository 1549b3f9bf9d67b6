import type { ConsumerLiveness } from '@slipstream/jetstream';
import type { DataSource } from 'typeorm';
import type { HealthCheck } from './health-check.js';

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
