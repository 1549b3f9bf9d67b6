import type { MessageHandler, WritePacket } from '@nestjs/microservices';
import { Logger } from '@nestjs/common';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import {
  defer,
  from,
  fromEvent,
  isObservable,
  mergeMap,
  of,
  takeUntil,
  throwError,
  timeout,
  type Observable,
} from 'rxjs';
import { HandlerTimeoutError } from '../errors.js';
import { errorBody, toErrorBody } from './request-error.js';
import { readRequest } from './request-packet.js';
import type { RequestPlan } from './request-plan.js';
import { RequestContext } from './request.context.js';

const MAX_WAITING = 1_000;

/**
 * Runs a request between Nest's processing hooks and hands over each packet of the answer; the last is disposed. Throws or
 * rejects when a hook does.
 */
export type AnswerRequest = (
  context: RequestContext,
  produce: () => Observable<unknown>,
  respond: (packet: WritePacket) => void,
) => unknown;

interface Running {
  readonly context: RequestContext;
  /** Sends a packet, unless the last one was sent. */
  readonly send: (packet: WritePacket) => void;
}

/** Answers the requests of one subject: as many at a time as declared, and every one of them. */
export class Responder {
  private readonly logger = new Logger(Responder.name);
  private subscription: Subscription | undefined;
  private readonly waiting: Msg[] = [];
  private readonly running = new Set<Running>();
  private idle: (() => void) | undefined;

  constructor(
    private readonly nc: NatsConnection,
    private readonly plan: RequestPlan,
    private readonly answer: AnswerRequest,
  ) {}

  /** @throws what the server says when the user of the connection may not subscribe */
  async start(): Promise<void> {
    let refusal: Error | undefined;
    this.subscribe((error) => (refusal ??= error));
    await this.nc.flush();
    // The refusal arrives before the answer to the flush; the client tells of it in the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    if (refusal) throw refusal;
  }

  /** Subscribes again where the server refused it before; the permission may have been granted since. */
  reconnected(): void {
    if (this.subscription?.isClosed()) this.subscribe(() => undefined);
  }

  /** Takes nothing new and resolves when everything that arrived was answered, with an error after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    const { subscription } = this;
    this.subscription = undefined;
    if (subscription && !subscription.isClosed() && !this.nc.isClosed()) await subscription.drain();
    if (this.running.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.idle = resolve;
    const timer = setTimeout(() => this.giveUp(), timeoutMs);
    await promise;
    clearTimeout(timer);
  }

  private subscribe(onRefusal: (error: Error) => void): void {
    const { subject, options } = this.plan;
    // An exception that leaves this callback would end the client's socket reader.
    this.subscription = this.nc.subscribe(subject, {
      queue: options.queueGroup,
      callback: (error, message) => {
        try {
          if (!error) return this.receive(message);
          this.logger.error({ err: error, subject }, 'requests cannot be received');
          onRefusal(error);
        } catch (thrown) {
          this.logger.error({ err: thrown, subject }, 'a request could not be taken');
        }
      },
    });
  }

  private receive(message: Msg): void {
    if (this.running.size < this.plan.options.concurrency) this.run(message);
    else if (this.waiting.length < MAX_WAITING) this.waiting.push(message);
    else sender(message, undefined)({ err: errorBody('Service busy'), isDisposed: true });
  }

  private run(message: Msg): void {
    let request;
    try {
      request = readRequest(message);
    } catch {
      sender(message, undefined)({ err: errorBody('The request is no JSON'), isDisposed: true });
      return;
    }
    const { data } = request;
    const context = new RequestContext(message);
    const send = sender(message, request.id);
    const running: Running = { context, send };
    this.running.add(running);
    const respond = (packet: WritePacket) => {
      send(withErrorBody(packet, message.subject));
      if (packet.isDisposed) this.end(running);
    };
    const produce = () => this.call(data, context);
    const fail = (err: unknown) => respond({ err, isDisposed: true });
    try {
      Promise.resolve(this.answer(context, produce, respond)).catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  private call(data: unknown, context: RequestContext): Observable<unknown> {
    const { handler, options, subject } = this.plan;
    const onTimeout = () => {
      const error = new HandlerTimeoutError(
        `handler of "${subject}" ran longer than ${options.timeoutMs} ms`,
      );
      context.abort(error);
      return throwError(() => error);
    };
    return defer(() => toObservable(handler, data, context)).pipe(
      takeUntil(fromEvent(context.signal, 'abort')),
      timeout({ each: options.timeoutMs, with: onTimeout }),
    );
  }

  private end(running: Running): void {
    if (!this.running.delete(running)) return;
    while (this.running.size < this.plan.options.concurrency) {
      const next = this.waiting.shift();
      if (!next) break;
      this.run(next);
    }
    if (this.running.size === 0) this.idle?.();
  }

  private giveUp(): void {
    const packet = { err: errorBody('The service is shutting down'), isDisposed: true };
    for (const message of this.waiting.splice(0)) {
      sender(message, idOf(message))(packet);
    }
    for (const { context, send } of this.running) {
      send(packet);
      context.abort(new Error('the process is shutting down'));
    }
    this.idle?.();
  }
}

function toObservable(handler: MessageHandler, data: unknown, context: RequestContext): Observable<unknown> {
  return from(handler(data, context)).pipe(
    mergeMap((result: unknown) => (isObservable(result) ? result : of(result))),
  );
}

/** Errors of handlers, pipes and guards are bodies already (`ErrorIdentityFilter`); what comes here was thrown elsewhere. */
function withErrorBody(packet: WritePacket, subject: string): WritePacket {
  const err: unknown = packet.err;
  return err instanceof Error ? { ...packet, err: toErrorBody(err, subject) } : packet;
}

function idOf(message: Msg): string | undefined {
  try {
    return readRequest(message).id;
  } catch {
    return undefined;
  }
}

/** Sends packets until the last one was sent. What cannot be sent ends the answer with an error. */
function sender(message: Msg, id: string | undefined): (packet: WritePacket) => void {
  let isDisposed = false;
  return (packet) => {
    if (isDisposed || !message.reply) return;
    isDisposed = packet.isDisposed === true;
    try {
      message.respond(JSON.stringify({ ...packet, id }));
    } catch (error) {
      isDisposed = true;
      const failure = { err: toErrorBody(error, message.subject), isDisposed, id };
      // On a closed connection nothing can be said any more.
      attempt(() => message.respond(JSON.stringify(failure)));
    }
  };
}

function attempt(action: () => unknown): void {
  try {
    action();
  } catch {
    // Whoever asked runs into a time-out.
  }
}
