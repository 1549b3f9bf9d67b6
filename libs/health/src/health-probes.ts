import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import {
  HealthIndicatorService,
  type HealthIndicatorFunction,
  type HealthIndicatorResult,
} from '@nestjs/terminus';
import { Degraded, type HealthCheck, type HealthChecks } from './health-check.js';

export const HEALTH_CHECKS = Symbol('HEALTH_CHECKS');

const DEFAULT_TIMEOUT_MS = 1_000;

/** Runs the checks of each probe within their time-out, and logs when one goes down or comes back. */
@Injectable()
export class HealthProbes implements OnModuleDestroy {
  private readonly logger = new Logger('Health');
  private readonly down = new Set<string>();
  private draining = false;

  constructor(
    @Inject(HEALTH_CHECKS) private readonly checks: HealthChecks,
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
  ) {}

  /** The first hook of a shutdown: terminus notes it only after every drain of an outer module has ended. */
  onModuleDestroy(): void {
    this.draining = true;
  }

  isDraining(): boolean {
    return this.draining;
  }

  startup(): HealthIndicatorFunction[] {
    return this.checks.startup.map((check) => () => this.run(check));
  }

  readiness(): HealthIndicatorFunction[] {
    return this.checks.readiness.map((check) => () => this.run(check));
  }

  private async run(check: HealthCheck): Promise<HealthIndicatorResult> {
    const session = this.indicators.check(check.key);
    let degraded: Degraded | undefined;
    const attempt = session.attempt(async () => {
      const outcome = await check.check();
      degraded = outcome instanceof Degraded ? outcome : undefined;
      return outcome instanceof Degraded ? undefined : outcome;
    });
    const result = await attempt.withTimeout(this.checks.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const outcome = result[check.key];
    this.report(check.key, outcome?.status === 'down' ? String(outcome['message']) : undefined);
    if (outcome?.status !== 'up' || degraded === undefined) return result;
    return session.degraded({ reason: degraded.reason, ...degraded.details });
  }

  /** One line per change: a probe every second must not write a line every second. */
  private report(key: string, reason: string | undefined): void {
    if (reason !== undefined && !this.down.has(key)) {
      this.down.add(key);
      this.logger.warn({ check: key, reason, msg: 'health check went down' });
    } else if (reason === undefined && this.down.delete(key)) {
      this.logger.log({ check: key, msg: 'health check is up again' });
    }
  }
}
