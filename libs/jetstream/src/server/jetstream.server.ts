import type { BeforeApplicationShutdown } from '@nestjs/common';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { NatsConnection } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import { isObservable, lastValueFrom } from 'rxjs';
import type { JetStreamConnection } from '../connection.js';
import { isEphemeral } from '../delivery-options.js';
import { UnknownDurableError } from '../errors.js';
import { JETSTREAM_TRANSPORT } from '../event-pattern.decorator.js';
import type { HandlerOptions } from '../handler.options.js';
import type { ResolvedJetStreamOptions } from '../jetstream.options.js';
import type { ConsumerLiveness, ConsumerPosition, TransportSurvey } from '../observer.js';
import type { JetStreamPublisher } from '../publish/jetstream.publisher.js';
import { planRequests, type RequestPlan, type RequestRegistration } from '../requests/request-plan.js';
import { Responder } from '../requests/responder.js';
import { Survey } from '../topology/survey.js';
import type { Topology } from '../topology/topology.js';
import type { StreamDefinition } from '../topology/stream-definition.js';
import { AdvisorySweeper } from './advisory-sweeper.js';
import { AttemptLedger } from './attempt-ledger.js';
import { ConsumerLoop } from './consumer-loop.js';
import { DeadLetterQueue } from './dead-letter.js';
import { DeliveryProcessor } from './delivery-processor.js';
import { DeliveryTracing } from './delivery-tracing.js';
import { Dispatcher, type InvokeHandler } from './dispatch.js';
import { openSource } from './open-source.js';
import { ProgressWatch } from './progress-watch.js';
import { Quarantine } from './quarantine.js';
import { redriveDurable, redrivePlan } from './redrive.js';
import { Settler } from './settle.js';
import { HoldingSettler } from './holding-settler.js';
import { KeyedConsumer } from './keyed-consumer.js';
import { assertOrderable, serverPlans } from './keyed-plan.js';
import { OrderingKeys } from './ordering-key.js';
import { planConsumers, type ConsumerPlan, type HandlerRegistration } from './routes.js';

type Loop = ConsumerLoop | KeyedConsumer;

/** What the strategy is built from; assembled by `JetStreamModule`. */
export interface JetStreamServerParts {
  readonly options: ResolvedJetStreamOptions;
  readonly connection: JetStreamConnection;
  readonly publisher: JetStreamPublisher;
  readonly topology: Topology;
}

/** Nest transport strategy: a consumer loop for each durable that handlers declared, a responder for each request. */
export class JetStreamServer extends Server implements CustomTransportStrategy, BeforeApplicationShutdown {
  override readonly transportId = JETSTREAM_TRANSPORT;
  /** Without this Nest logs a failed event handler and reports success, and the message would be acked. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly quarantine = new Quarantine();
  /** Tells the consumers that belong to this process from those of others. */
  private readonly instance = randomUUID().slice(0, 8);
  private readonly settler: Settler;
  private readonly surveyor: Survey;
  private readonly progress = new ProgressWatch(
    () => this.declared,
    (consumers) => this.parts.topology.positions(consumers),
  );
  private readonly registrations: HandlerRegistration[] = [];
  private readonly requests: RequestRegistration[] = [];
  private responders: Responder[] = [];
  private plans: ConsumerPlan[] = [];
  private loops: Loop[] = [];
  private hasStarted = false;
  private stopping: Promise<void> | undefined;
  private hasProcessingHook = false;

  constructor(private readonly parts: JetStreamServerParts) {
    super();
    this.settler = new Settler(parts.connection.nc);
    this.surveyor = new Survey(parts.connection, parts.options.streams);
  }

  /** Collects a handler. Nest would chain two handlers of one pattern under one ack; here each has its durable. */
  override addHandler(pattern: unknown, handler: MessageHandler, isEventHandler = false, extras = {}): void {
    if (!isEventHandler) {
      const subject = this.normalizePattern(pattern as string);
      this.requests.push({ subject, handler, options: extras });
      this.messageHandlers.set(subject, handler);
      return;
    }
    const options = extras as HandlerOptions;
    this.registrations.push({ pattern: String(pattern), handler, options });
    this.messageHandlers.set(`${options.durable}:${String(pattern)}`, handler);
  }

  override setOnProcessingStartHook(...args: Parameters<Server['setOnProcessingStartHook']>): void {
    this.hasProcessingHook = true;
    super.setOnProcessingStartHook(...args);
  }

  /** A hook that throws is logged: what was handled is handled, and an unhandled rejection would end the process. */
  override setOnProcessingEndHook(hook: Parameters<Server['setOnProcessingEndHook']>[0]): void {
    this.hasProcessingHook = true;
    super.setOnProcessingEndHook((...args) => {
      try {
        hook(...args);
      } catch (error) {
        this.logger.error({ err: error }, 'a processing hook failed');
      }
    });
  }

  /** Called by Nest: plans the consumers, makes sure they are on the server, and starts. Errors go to the callback. */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      const { options, topology, connection } = this.parts;
      this.plans = planConsumers(this.registrations, options.streams, options.handlers);
      this.responders = planRequests(this.requests, options).map((plan) => this.createResponder(plan));
      const redrives = this.plans.map((plan) => redrivePlan(plan));
      const sweeping = this.plans.length > 0 && options.sweepsAdvisories ? this.sweeper().plans() : [];
      for (const plan of this.plans) await assertOrderable(plan, await connection.manager());
      const shared = this.plans.filter((plan) => !isEphemeral(plan.options));
      await Promise.all([
        ...shared.map((plan) => topology.ensureInTurn(serverPlans(plan))),
        ...[...redrives, ...sweeping].map((plan) => topology.ensureConsumer(plan)),
      ]);
      const attempts = await AttemptLedger.open(() => topology.openAttempts());
      this.loops = [
        ...[...this.plans, ...sweeping].map((plan) =>
          plan.options.orderBy ? this.createKeyed(plan, attempts) : this.createLoop(plan, plan, attempts),
        ),
        ...redrives.map((plan) => this.createLoop(plan, plan.original, attempts)),
      ];
      const own = this.loops.filter(({ plan }) => isEphemeral(plan.options));
      await Promise.all(own.map((loop) => loop.restore()));
      if (this.stopping) return callback(); // A stop that came meanwhile must not be undone.
      for (const loop of this.loops) loop.start();
      await Promise.all(this.responders.map((responder) => responder.start()));
      connection.onReconnect(() => {
        for (const part of [...this.loops, ...this.responders]) part.reconnected();
      });
      this.progress.start();
      this.hasStarted = true;
      this._status$.next('listening');
      callback();
    } catch (error) {
      callback(error);
    }
  }

  /** Stops pulling before HTTP closes, so that nothing new starts while the process drains. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.close();
  }

  /** Resolves when running handlers finished and settled. Called by Nest again later, which changes nothing. */
  close(): Promise<void> {
    this.stopping ??= this.stopLoops();
    return this.stopping;
  }

  /** @throws always; Nest asks for the method, and the events of the client are none of an application's business */
  on(): void {
    throw new Error('JetStreamServer emits no client events; use `status` or a TransportObserver');
  }

  /** The NATS connection of the process. */
  unwrap<T = NatsConnection>(): T {
    return this.parts.connection.nc as T;
  }

  /** True once every consumer is there and runs. */
  get isStarted(): boolean {
    return this.hasStarted;
  }

  /**
   * State of every consumer loop, for health checks. One is `stalled` also when messages wait and nothing has been delivered or
   * settled in any process for 20 s, or for 5 s longer than its handlers may run.
   */
  liveness(): ConsumerLiveness[] {
    return this.loops.map((loop) => this.progress.judge(loop));
  }

  /**
   * Lets this process take nothing more for a durable: what it holds and has not started is given back without
   * consuming an attempt, what runs goes on. Resolves when it is given back. Lasts until `resume`, over reconnects.
   * @throws UnknownDurableError
   */
  async pause(durable: string): Promise<void> {
    await Promise.all(this.loopsOf(durable).map((loop) => loop.pause()));
  }

  /** @throws UnknownDurableError */
  async resume(durable: string): Promise<void> {
    await Promise.all(this.loopsOf(durable).map((loop) => loop.resume()));
  }

  /** Position of every declared consumer, asked of the server. */
  positions(): Promise<ConsumerPosition[]> {
    return this.parts.topology.positions(this.declared.flatMap(({ consumers }) => consumers));
  }

  /** What the server says about all streams of this process and every durable on them, whoever runs it. */
  survey(): Promise<TransportSurvey> {
    return this.surveyor.take(this.loops, (consumers) => this.parts.topology.positions(consumers));
  }

  /** Without those for redrives and advisories. */
  private get declared(): Loop[] {
    return this.loops.filter(({ plan }) => this.plans.includes(plan));
  }

  private loopsOf(durable: string): Loop[] {
    const names = this.plans
      .filter(({ options }) => options.durable === durable)
      .flatMap(({ stream }) => [durable, redriveDurable(stream.name, durable)]);
    const loops = this.loops.filter((loop) => names.includes(loop.durable));
    if (loops.length > 0) return loops;
    const known = this.plans.map(({ options }) => options.durable).join(', ') || 'none';
    throw new UnknownDurableError(`this process runs no durable "${durable}"; it runs ${known}`);
  }

  private async stopLoops(): Promise<void> {
    const { options, connection } = this.parts;
    const parts = [...this.loops, ...this.responders];
    this.progress.stop();
    await Promise.all(parts.map((part) => part.stop(options.shutdownTimeoutMs)));
    if (!connection.nc.isClosed()) await this.settler.flush().catch(() => undefined);
    this._status$.next('closed');
  }

  /** @param handling what becomes of a message; another plan than the consumer's own for what operators send again */
  private createLoop(plan: ConsumerPlan, handling: ConsumerPlan, attempts: AttemptLedger): ConsumerLoop {
    const { codec, observer, isOutage, tracing } = this.parts.options;
    const processor = new DeliveryProcessor(handling, {
      dispatcher: new Dispatcher(handling, codec, this.invoke, isOutage, this.parts.connection.own),
      settler: this.settler,
      attempts: isEphemeral(plan.options) ? AttemptLedger.inMemory() : attempts,
      deadLetters: this.deadLettersOf(handling.stream),
      observer,
      tracing: tracing ? new DeliveryTracing(handling) : undefined,
    });
    return new ConsumerLoop(plan, processor, this.quarantine, (listener) =>
      openSource(plan, { ...this.parts, instance: this.instance }, listener),
    );
  }

  private createResponder(plan: RequestPlan): Responder {
    return new Responder(this.parts.connection.nc, plan, (context, produce, respond) =>
      this.handleRequest(context, async () => produce(), respond),
    );
  }

  private createKeyed(plan: ConsumerPlan, attempts: AttemptLedger): KeyedConsumer {
    const { options, connection, topology } = this.parts;
    const settler = new HoldingSettler(connection.nc);
    const keys = new OrderingKeys(plan.options, options.codec);
    const processor = new DeliveryProcessor(plan, {
      dispatcher: new Dispatcher(plan, keys, this.invoke, options.isOutage, connection.own),
      settler,
      attempts,
      deadLetters: this.deadLettersOf(plan.stream),
      observer: options.observer,
      tracing: options.tracing ? new DeliveryTracing(plan) : undefined,
    });
    const restoreConsumer = (share: ConsumerPlan) => topology.restoreConsumer(share);
    const { quarantine } = this;
    return new KeyedConsumer(plan, { connection, keys, settler, processor, quarantine, restoreConsumer });
  }

  private sweeper(): AdvisorySweeper {
    const { options, connection } = this.parts;
    return new AdvisorySweeper(
      options.streams,
      () => connection.manager(),
      (stream) => this.deadLettersOf(stream),
    );
  }

  private deadLettersOf({ deadLetterSubject }: StreamDefinition): DeadLetterQueue {
    const { service, version, observer } = this.parts.options;
    return new DeadLetterQueue(
      this.parts.publisher,
      { service, version, subject: deadLetterSubject },
      observer,
    );
  }

  /** Converts what Nest's handlers return (a value, a promise, a promise of a stream) into one promise. */
  private readonly invoke: InvokeHandler = (handler, payload, context) => {
    if (!this.hasProcessingHook) return handler(payload, context).then(complete);
    return new Promise<void>((resolve, reject) => {
      const hooked: unknown = this.runWithProcessingHooks(context, async (runEndHook) => {
        await handler(payload, context).then(complete).then(resolve, reject);
        runEndHook();
      });
      // A hook that rejects has not called the handler.
      Promise.resolve(hooked).catch(reject);
    });
  };
}

function complete(result: unknown): Promise<void> | undefined {
  if (!isObservable(result)) return undefined;
  return lastValueFrom(result, { defaultValue: undefined }).then(() => undefined);
}
