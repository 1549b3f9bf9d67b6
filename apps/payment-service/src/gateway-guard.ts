import { Inject, Injectable } from '@nestjs/common';
import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  CountBreaker,
  handleWhen,
  type IBackoff,
  type IBackoffFactory,
  type IHalfOpenAfterBackoffContext,
} from 'cockatiel';
import { Gauge, Histogram, register } from 'prom-client';
import { ConcurrencyLimit } from './concurrency-limit.js';
import { AnswerLostError, GatewayUnavailableError } from './payment-gateway.js';

/** How many of the last calls count, the share of them that must fail, and how many there must be. */
const WINDOW = { size: 50, threshold: 0.8, minimumNumberOfCalls: 10 };
/** Calls that are tried after a break, and the share of them that may fail. */
const TRIAL = { calls: 4, threshold: 0.5 };
/** Longest wait for a turn: with the calls after it, a handler still ends within its time-out. */
const TURN_TIMEOUT_MS = 5_000;
const CALL_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Those that were turned away come back spread over so long. */
const RETURN_SPREAD_MS = 1_000;

export interface BreakDurations {
  /** Milliseconds of the first break. Each further one of an outage is twice as long. */
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Token of the durations, which tests shorten. */
export const BREAK_DURATIONS = Symbol('BreakDurations');
export const DEFAULT_BREAK_DURATIONS: BreakDurations = { firstMs: 1_000, longestMs: 5_000 };

/**
 * Stands between the payments and the gateway. Bounds how many calls are under way, and lets none through for a while
 * once most of them fail; then a few are tried, and when those come through, the rest follows in growing numbers.
 */
@Injectable()
export class GatewayGuard {
  /** Calls that are worth preparing for a trial. */
  static readonly trialCalls = TRIAL.calls;

  private readonly limit = new ConcurrencyLimit();
  private readonly breaks: Breaks;
  private readonly breaker;
  private readonly metrics = gatewayMetrics();

  constructor(@Inject(BREAK_DURATIONS) durations: BreakDurations) {
    this.breaks = new Breaks(durations);
    this.breaker = circuitBreaker(handleWhen(isTrouble), {
      halfOpenAfter: this.breaks,
      breaker: new CountBreaker(WINDOW),
      halfOpenSampling: TRIAL,
    });
    this.breaker.onBreak(() => this.limit.restart());
    this.metrics.up.set(1);
    this.breaker.onBreak(() => this.metrics.up.set(0));
    this.breaker.onReset(() => this.metrics.up.set(1));
  }

  /** True from the break on until a call may be tried. */
  get isOpen(): boolean {
    return this.breaker.state === CircuitState.Open && this.remainingMs > 0;
  }

  /** True while nothing is known to be wrong. */
  get isClosed(): boolean {
    return this.breaker.state === CircuitState.Closed;
  }

  /** True while some call was asked to wait longer. */
  get isAskedToWait(): boolean {
    return Date.now() < this.breaks.askedUntil;
  }

  /** Milliseconds until a call may be tried. */
  get remainingMs(): number {
    return Math.max(0, this.breaks.until - Date.now());
  }

  /** Calls `listener` whenever calls are no longer let through. */
  onOpen(listener: () => void): void {
    this.breaker.onBreak(listener);
  }

  /** Calls `listener` whenever the gateway counts as back. */
  onClose(listener: () => void): void {
    this.breaker.onReset(listener);
  }

  /** @throws GatewayUnavailableError during a break */
  assertClosed(): void {
    if (this.isOpen) throw this.turnAway('the gateway is in trouble and gets a break');
  }

  /**
   * Runs what calls the gateway, and learns from how it ends.
   * @throws GatewayUnavailableError without running it, during a break or when its turn does not come
   */
  async execute<T>(call: () => Promise<T>): Promise<T> {
    this.assertClosed();
    return this.limit.run(
      () => this.observe(call),
      TURN_TIMEOUT_MS,
      () => this.turnAway('the gateway takes no more calls at a time'),
    );
  }

  private async observe<T>(call: () => Promise<T>): Promise<T> {
    try {
      const result = await this.breaker.execute(() => this.listen(call));
      this.limit.grow();
      return result;
    } catch (error) {
      if (error instanceof BrokenCircuitError)
        throw this.turnAway('the gateway is in trouble and gets a break');
      if (isTrouble(error)) this.limit.shrink();
      throw error;
    }
  }

  /** Before the breaker learns of the error: a break that it causes must not end earlier than any call was asked to wait. */
  private async listen<T>(call: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const took = (outcome: CallOutcome) =>
      this.metrics.calls.observe({ outcome }, (performance.now() - startedAt) / 1_000);
    try {
      const result = await call();
      took('answered');
      return result;
    } catch (error) {
      took(outcomeOf(error));
      if (error instanceof GatewayUnavailableError) this.breaks.ask(error.notBeforeMs);
      throw error;
    }
  }

  private turnAway(reason: string): GatewayUnavailableError {
    const notBeforeMs = this.remainingMs + Math.random() * RETURN_SPREAD_MS;
    return new GatewayUnavailableError(reason, { notBeforeMs });
  }
}

function isTrouble(error: unknown): boolean {
  return error instanceof GatewayUnavailableError || error instanceof AnswerLostError;
}

type CallOutcome = 'answered' | 'unavailable' | 'lost' | 'failed';

function outcomeOf(error: unknown): CallOutcome {
  if (error instanceof GatewayUnavailableError) return 'unavailable';
  return error instanceof AnswerLostError ? 'lost' : 'failed';
}

/** The registry is that of the process, which may hold more than one guard. */
function gatewayMetrics() {
  const [up, calls] = ['payment_gateway_up', 'payment_gateway_call_duration_seconds'] as const;
  return {
    up:
      (register.getSingleMetric(up) as Gauge | undefined) ??
      new Gauge({
        name: up,
        help: 'Whether the payment gateway counts as well; 0 from a break until calls succeed again.',
      }),
    calls:
      (register.getSingleMetric(calls) as Histogram<'outcome'> | undefined) ??
      new Histogram({
        name: calls,
        help: 'Time that calls of the payment gateway took, by outcome; `lost` may have moved money.',
        labelNames: ['outcome'],
        buckets: CALL_BUCKETS_SECONDS,
      }),
  };
}

/** Doubling breaks, none of them shorter than the gateway itself asked for. */
class Breaks implements IBackoffFactory<IHalfOpenAfterBackoffContext> {
  /** Epoch milliseconds when the latest break ends. */
  until = 0;
  /** Epoch milliseconds until which the gateway asked somebody to wait. */
  askedUntil = 0;

  constructor(private readonly durations: BreakDurations) {}

  ask(waitMs: number): void {
    this.askedUntil = Math.max(this.askedUntil, Date.now() + waitMs);
  }

  next({ attempt }: IHalfOpenAfterBackoffContext): IBackoff<IHalfOpenAfterBackoffContext> {
    const { firstMs, longestMs } = this.durations;
    const asked = this.askedUntil - Date.now();
    const duration = Math.max(asked, Math.min(longestMs, firstMs * 2 ** Math.min(attempt - 1, 20)));
    this.until = Date.now() + duration;
    return { duration, next: (context) => this.next(context) };
  }
}
