import { context as telemetry } from '@opentelemetry/api';
import { failpoint } from '@slipstream/failpoints';
import type { SettledDelivery, SettlementOutcome, TransportObserver } from '../observer.js';
import type { AttemptLedger } from './attempt-ledger.js';
import type { DeadLetterQueue } from './dead-letter.js';
import type { DeliveryTracing } from './delivery-tracing.js';
import type { Attempt, Dispatcher } from './dispatch.js';
import { describeFailure } from './failure.js';
import type { ConsumerPlan } from './routes.js';
import type { Delivery } from './held-deliveries.js';
import { decide, HANDLED, type Settlement, type Settler } from './settle.js';

/** Then a few messages find out whether the outage is over. */
const LONGEST_HOLD_OFF_MS = 5_000;

const OUTCOMES: Record<Settlement['verb'], SettlementOutcome> = {
  ack: 'handled',
  terminate: 'terminated',
  nak: 'retried',
  'dead-letter': 'dead-lettered',
};

export interface ProcessorParts {
  readonly dispatcher: Dispatcher;
  readonly settler: Settler;
  readonly attempts: AttemptLedger;
  readonly deadLetters: DeadLetterQueue;
  readonly observer: TransportObserver;
  /** Absent while tracing is off. */
  readonly tracing: DeliveryTracing | undefined;
}

/**
 * Brings deliveries to their end: count the attempt, dispatch, settle, report. When a step cannot reach the server,
 * nothing was acked and the server delivers again after the ack wait.
 */
export class DeliveryProcessor {
  private awayUntil = 0;

  constructor(
    private readonly plan: ConsumerPlan,
    private readonly parts: ProcessorParts,
  ) {}

  /** Asks before a delivery starts whether it should run alone. When in doubt it should not: most are innocent. */
  async isSuspect({ info }: Delivery): Promise<boolean> {
    return this.parts.attempts.isSuspect(info).catch(() => false);
  }

  /** Rejects when something was left unsettled. Never throws at once: what waits for the end would wait for ever. */
  process(deliveries: readonly Delivery[]): Promise<void> {
    const isFresh = deliveries.every(({ info }) => info.deliveryCount === 1);
    if (!isFresh) return this.processCounted(deliveries);
    try {
      return this.handle(deliveries.map((delivery) => this.begin(delivery, 1)));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** True for a while after an outage: what is taken now would only come back, and wait longer than what was left. */
  get isHoldingOff(): boolean {
    // Asked for every message; reading the clock each time would cost more than the rest of the question.
    return this.awayUntil > 0 && performance.now() < this.awayUntil;
  }

  /** Gives messages back that were never started; this consumes no attempt. */
  async giveBack(deliveries: readonly Delivery[]): Promise<void> {
    await Promise.allSettled(
      deliveries.map(async (delivery) => {
        await this.parts.attempts.giveBack(delivery.info);
        this.parts.settler.release(delivery.message);
        this.parts.observer.settled(this.reportReleased(delivery));
      }),
    );
  }

  /** Restarts the ack wait of a message that is held. */
  extend({ message }: Delivery): void {
    this.parts.settler.extend(message);
  }

  /** Resolves when the server knows of everything that was settled. */
  flush(): Promise<void> {
    return this.parts.settler.flush();
  }

  abortRunning(reason: Error): void {
    this.parts.dispatcher.abort(reason);
  }

  private begin({ message, info }: Delivery, attemptNumber: number): Attempt {
    const { dispatcher, tracing } = this.parts;
    const attempt = dispatcher.prepare(message, info, attemptNumber);
    // What is ignored is not handled.
    if (tracing && attempt.outcome?.kind !== 'ignored') attempt.trace = tracing.begin(attempt);
    return attempt;
  }

  private async beginCounted(delivery: Delivery): Promise<Attempt> {
    const { info } = delivery;
    if (info.deliveryCount === 1) return this.begin(delivery, 1);
    failpoint('jetstream.before-count');
    const attempt = await this.parts.attempts.start(info);
    failpoint('jetstream.after-count');
    return this.begin(delivery, attempt);
  }

  private async processCounted(deliveries: readonly Delivery[]): Promise<void> {
    const begun = await Promise.allSettled(deliveries.map((delivery) => this.beginCounted(delivery)));
    await this.handle(begun.filter((result) => result.status === 'fulfilled').map(({ value }) => value));
    const failed = begun.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  private handle(started: readonly Attempt[]): Promise<void> {
    const [single] = started;
    if (!this.plan.options.batch && single) return this.handleSingle(single);
    failpoint('jetstream.before-handler');
    const startedAt = performance.now();
    const run = () => this.parts.dispatcher.runBatch(started);
    const { tracing } = this.parts;
    return (tracing ? tracing.together(started, run) : run()).then(() => {
      failpoint('jetstream.after-handler');
      const durationMs = performance.now() - startedAt;
      const ends: Promise<void>[] = [];
      for (const attempt of started) {
        const end = this.end(attempt, durationMs);
        if (end) ends.push(end);
      }
      return ends.length > 0 ? Promise.all(ends).then(() => undefined) : undefined;
    });
  }

  private handleSingle(attempt: Attempt): Promise<void> {
    return new Promise((resolve, reject) => {
      failpoint('jetstream.before-handler');
      const startedAt = performance.now();
      const done = () => {
        try {
          failpoint('jetstream.after-handler');
          resolve(this.end(attempt, performance.now() - startedAt));
        } catch (error) {
          reject(error);
        }
      };
      const run = () => this.parts.dispatcher.run(attempt, done);
      if (attempt.trace) telemetry.with(attempt.trace.context, run);
      else run();
    });
  }

  /** Settles at once what is acked, which is nearly everything; anything else takes a promise. */
  private end(attempt: Attempt, durationMs: number): Promise<void> | undefined {
    const { outcome = HANDLED, context, message, info } = attempt;
    const repeats = info.deliveryCount - context.attempt;
    const wanted = decide(outcome, context.attempt, this.plan.options, repeats);
    if (wanted.verb !== 'ack') return this.endFailed(attempt, wanted, durationMs);
    if (outcome.kind === 'handled') this.awayUntil = 0;
    const settling = this.parts.tracing?.settling(attempt, wanted);
    void this.parts.settler.settle(message, wanted, noCopy);
    settling?.end();
    this.tell(attempt, wanted, durationMs);
    return undefined;
  }

  private async endFailed(attempt: Attempt, wanted: Settlement, durationMs: number): Promise<void> {
    const { message, info, context } = attempt;
    const { attempts, settler, tracing } = this.parts;
    if (wanted.verb === 'nak') {
      if (wanted.isOutage) this.awayUntil = performance.now() + Math.min(wanted.delayMs, LONGEST_HOLD_OFF_MS);
      await attempts.finish(info, wanted.isOutage ? context.attempt - 1 : context.attempt);
    }
    failpoint('jetstream.after-attempt-recorded');
    const settling = tracing?.settling(attempt, wanted);
    const settlement = await settler.settle(message, wanted, (error) => this.copy(attempt, error));
    settling?.end();
    // While copies cannot be stored, the last attempt repeats; counted on, it would end as a crash loop.
    if (settlement.verb !== wanted.verb) await attempts.finish(info, context.attempt - 1);
    this.tell(attempt, settlement, durationMs);
  }

  private copy(attempt: Attempt, error: unknown): Promise<void> {
    const { message, info, context, decoded, trace } = attempt;
    const failure = describeFailure(error, decoded);
    const failed = { message, info, attempt: context.attempt, failure, traceId: trace?.traceId };
    const store = () => this.parts.deadLetters.store(failed);
    return trace ? telemetry.with(trace.context, store) : store();
  }

  private tell(attempt: Attempt, settlement: Settlement, durationMs: number): void {
    const report = this.report(attempt, settlement, durationMs);
    this.parts.tracing?.end(attempt, report);
    this.parts.observer.settled(report);
  }

  private reportReleased({ message, info }: Delivery): SettledDelivery {
    return {
      stream: info.stream,
      consumer: info.consumer,
      subject: message.subject,
      pattern: this.plan.routes[0]?.pattern ?? 'unroutable',
      sequence: info.streamSequence,
      attempt: info.deliveryCount,
      deliveryCount: info.deliveryCount,
      messageId: undefined,
      attributes: {},
      outcome: 'released',
      durationMs: 0,
      ageMs: Date.now() - info.timestampMs,
    };
  }

  private report(attempt: Attempt, settlement: Settlement, durationMs: number): SettledDelivery {
    const { context, info, decoded, route } = attempt;
    const error = 'error' in settlement ? settlement.error : undefined;
    return {
      stream: info.stream,
      consumer: info.consumer,
      subject: context.subject,
      pattern: route?.pattern ?? 'unroutable',
      sequence: info.streamSequence,
      attempt: context.attempt,
      deliveryCount: info.deliveryCount,
      messageId: decoded?.messageId,
      attributes: decoded?.attributes ?? {},
      outcome: attempt.outcome?.kind === 'ignored' ? 'ignored' : OUTCOMES[settlement.verb],
      durationMs,
      ageMs: Date.now() - info.timestampMs,
      error,
      failure: error === undefined ? undefined : describeFailure(error, decoded),
      trace: attempt.trace,
      reason: settlement.verb === 'terminate' ? settlement.reason : undefined,
      retryDelayMs: settlement.verb === 'nak' ? settlement.delayMs : undefined,
    };
  }
}

function noCopy(): Promise<void> {
  return Promise.reject(new Error('only dead letters are copied'));
}
