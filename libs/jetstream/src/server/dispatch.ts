import { Logger } from '@nestjs/common';
import type { MessageHandler } from '@nestjs/microservices';
import type { Msg } from '@nats-io/transport-node';
import { context as telemetry } from '@opentelemetry/api';
import type { DecodedMessage, MessageCodec } from '../codec.js';
import {
  CrashLoopError,
  HandlerTimeoutError,
  OutageError,
  RetryableError,
  ServerAnswerError,
  UndecodableMessageError,
  UnroutableMessageError,
} from '../errors.js';
import type { OwnMessages } from '../publish/own-messages.js';
import type { DeliveryInfo } from './delivery-info.js';
import type { DeliveryTrace } from './delivery-tracing.js';
import { identify } from './error-identity.filter.js';
import { isServerAnswer, readHeaders } from './headers.js';
import { JetStreamBatchContext, JetStreamContext } from './jetstream.context.js';
import { isTerminal, mostAttempts } from './retry-policy.js';
import { createRouter, type ConsumerPlan, type Route } from './routes.js';
import { IGNORED, outcomeOf, type Outcome } from './settle.js';
import { Watchdog } from './watchdog.js';

/** Starts beyond `maxDeliver` that a message gets before it counts as one that kills its process. */
const CRASH_ALLOWANCE = 3;

/** Calls a Nest handler and resolves when it, and the stream it may have returned, completed. */
export type InvokeHandler = (
  handler: MessageHandler,
  payload: unknown,
  context: JetStreamContext | JetStreamBatchContext,
) => Promise<void>;

/** A delivery that is being worked on. */
export interface Attempt {
  readonly message: Msg;
  readonly info: DeliveryInfo;
  context: JetStreamContext;
  readonly route: Route | undefined;
  decoded: DecodedMessage | undefined;
  outcome: Outcome | undefined;
  /** Absent while tracing is off. */
  trace: DeliveryTrace | undefined;
}

/** Turns deliveries into outcomes: route, decode, call the handler, catch what it throws. */
export class Dispatcher {
  private readonly logger = new Logger(Dispatcher.name);
  private readonly routeOf: (subject: string) => Route | undefined;
  private readonly mostStarts: number;
  private readonly watchdog: Watchdog;

  constructor(
    private readonly plan: ConsumerPlan,
    private readonly codec: MessageCodec,
    private readonly invoke: InvokeHandler,
    private readonly isOutage: (error: unknown) => boolean,
    private readonly own: OwnMessages,
  ) {
    this.routeOf = createRouter(plan.routes);
    if (plan.options.noEcho) own.remember(plan.stream.name);
    const { timeoutMs, durable } = plan.options;
    this.watchdog = new Watchdog(
      timeoutMs,
      () => new HandlerTimeoutError(`handler of "${durable}" ran longer than ${timeoutMs} ms`),
    );
    this.mostStarts = mostAttempts(plan.options) + CRASH_ALLOWANCE;
  }

  /** Routes and decodes. An attempt whose outcome is already clear carries it and must not be run. */
  prepare(message: Msg, info: DeliveryInfo, attemptNumber: number): Attempt {
    const context = new JetStreamContext(message, info, attemptNumber);
    const route = this.routeOf(message.subject);
    const attempt: Attempt = {
      message,
      info,
      context,
      route,
      decoded: undefined,
      outcome: undefined,
      trace: undefined,
    };
    try {
      if (this.isEcho(info)) {
        attempt.outcome = IGNORED;
        return attempt;
      }
      if (!this.plan.options.raw) assertPublished(message);
      // What no handler here takes may be unreadable here too, which is terminal, while a newer version can read it.
      if (!route) throw this.unroutable(message);
      attempt.decoded = this.decode(message);
      context.identify(attempt.decoded.messageId);
      this.assertNoCrashLoop(context);
    } catch (error) {
      attempt.outcome = { kind: 'failed', error };
    }
    return attempt;
  }

  /** Runs the handler of a single message and calls `done` when its outcome is known: one promise less for each message. */
  run(attempt: Attempt, done: () => void): void {
    const { context, route, decoded } = attempt;
    if (attempt.outcome || !route) {
      done();
      return;
    }
    this.call(route, decoded?.payload, context, (failure) => {
      attempt.outcome = failure ?? outcomeOf(context.decision);
      done();
    });
  }

  /**
   * Runs the handler of a batch. When it throws, its transaction was rolled back and every member is run alone, so that
   * one poison message fails by itself.
   */
  async runBatch(attempts: readonly Attempt[]): Promise<void> {
    const ready = attempts.filter(({ outcome }) => outcome === undefined);
    for (const [route, members] of Map.groupBy(ready, (attempt) => attempt.route)) {
      if (!route) continue;
      const failure = await this.callBatch(route, members);
      if (failure && members.length > 1 && isOneMembersFault(failure)) {
        for (const member of members) member.outcome = await this.callAlone(route, member);
      } else if (failure) {
        for (const member of members) member.outcome = failure;
      }
      for (const member of members) member.outcome ??= outcomeOf(member.context.decision);
    }
  }

  /** With a context of its own: what the failed batch recorded or aborted does not bind this call. */
  private callAlone(route: Route, member: Attempt): Promise<Outcome | undefined> {
    const { messageId, attempt } = member.context;
    member.context = new JetStreamContext(member.message, member.info, attempt);
    member.context.identify(messageId);
    const call = () => this.callBatch(route, [member]);
    return member.trace ? telemetry.with(member.trace.context, call) : call();
  }

  private callBatch(route: Route, members: readonly Attempt[]): Promise<Outcome | undefined> {
    const contexts = members.map(({ context }) => context);
    const payloads = members.map(({ decoded }) => decoded?.payload);
    return new Promise((resolve) => this.call(route, payloads, new JetStreamBatchContext(contexts), resolve));
  }

  private call(
    route: Route,
    payload: unknown,
    context: JetStreamContext | JetStreamBatchContext,
    end: (failure: Outcome | undefined) => void,
  ): void {
    const release = this.watchdog.watch(context, (error) => end({ kind: 'failed', error }));
    this.invoke(route.handler, payload, context).then(
      () => release() && end(undefined),
      (error: unknown) => release() && end(this.failureOf(error)),
    );
  }

  private failureOf(thrown: unknown): Outcome {
    const error = identify(thrown);
    const isAway = !isTerminal(error, this.plan.options.terminalErrors) && this.isAway(error);
    return { kind: isAway ? 'outage' : 'failed', error };
  }

  /** A check that throws says nothing of the error, and the message must be settled all the same. */
  private isAway(error: unknown): boolean {
    try {
      return error instanceof OutageError || this.isOutage(error);
    } catch (thrown) {
      this.logger.error({ err: thrown, consumer: this.plan.options.durable }, 'isOutage threw');
      return false;
    }
  }

  /** Aborts the signals of what runs and of what is called from now on. */
  abort(reason: Error): void {
    this.watchdog.abortAll(reason);
  }

  /** What was handed over once is until it is done with, and an operator sends again what the service has lost. */
  private isEcho({ stream, streamSequence, timestampMs, deliveryCount, redrive }: DeliveryInfo): boolean {
    if (!this.plan.options.noEcho || deliveryCount > 1 || redrive !== undefined) return false;
    return this.own.has(stream, streamSequence, timestampMs);
  }

  private decode(message: Msg): DecodedMessage {
    try {
      const decoded = this.codec.decode(message);
      return this.plan.options.raw ? { ...decoded, payload: message.data } : decoded;
    } catch (cause) {
      if (this.plan.options.raw) return { payload: message.data };
      throw new UndecodableMessageError(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  private unroutable({ subject }: Msg): UnroutableMessageError {
    return new UnroutableMessageError(`"${this.plan.options.durable}" has no handler for "${subject}"`);
  }

  private assertNoCrashLoop({ attempt }: JetStreamContext): void {
    if (attempt <= this.mostStarts) return;
    const { durable } = this.plan.options;
    throw new CrashLoopError(
      `started ${attempt - 1} times by "${durable}" and never settled; its handler seems to kill the process`,
    );
  }
}

function assertPublished(message: Msg): void {
  if (!isServerAnswer(readHeaders(message))) return;
  throw new ServerAnswerError(
    'this is an answer of the server that somebody had sent here, and was published by nobody; find out whose it is',
  );
}

/**
 * A handler that asks for another attempt means the whole batch, and so does an outage; anything else may be the fault of
 * one message.
 */
function isOneMembersFault(failure: Outcome): boolean {
  if (failure.kind !== 'failed') return false;
  const { error } = failure;
  return !(error instanceof RetryableError) || error instanceof HandlerTimeoutError;
}
