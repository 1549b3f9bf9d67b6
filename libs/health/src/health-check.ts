/** One thing an app needs in order to start or to serve. */
export interface HealthCheck {
  /** Name in the answer, such as `postgres`. */
  readonly key: string;
  /**
   * Resolves when it is well, with details to show (not `status`, `responseTime` or `cachedResponse`), or with `degraded` when
   * it serves and somebody should look. Rejects when it is not well; the message of the error is the reason shown.
   */
  check(): Promise<Record<string, unknown> | Degraded | void>;
}

/** It serves, and somebody should look: the answer stays 200 and says `degraded`. */
export class Degraded {
  constructor(
    /** Why, in words. */
    readonly reason: string,
    /** To show, as those of a check that is well. */
    readonly details: Record<string, unknown> = {},
  ) {}
}

/** Checks behind each probe. A probe without checks is up. */
export interface HealthChecks {
  /** What must have happened before the app counts as started, such as migrations. */
  readonly startup: readonly HealthCheck[];
  /** What must hold for the app to serve, such as its database. */
  readonly readiness: readonly HealthCheck[];
  /** Longest time for each check, in milliseconds; after it the check is down. @default 1_000 */
  readonly timeoutMs?: number;
}
