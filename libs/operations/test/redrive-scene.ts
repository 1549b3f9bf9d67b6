import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { EventPattern, JetStreamContext, TerminalError } from '@slipstream/jetstream';
import { DeadLetters, Redrives, Replays } from '@slipstream/operations';
import { OperatedServer, operatedStream, startService, type OperatedStream } from './harness.js';

/** Who redrives, for the record. */
export const ME = { by: 'ann', reason: 'fixed' };

/** A service one of whose handlers fails for as long as the scene is broken, and the operator who redrives. */
export class RedriveScene {
  stream: OperatedStream;
  server: OperatedServer;
  letters: DeadLetters;
  redrives: Redrives;
  replays: Replays;
  isBroken: boolean;
  /** Calls of the handlers, as `<durable>:<payload>`. */
  seen: string[];
  /** Of the calls of the failing handler. */
  contexts: JetStreamContext[];
  private apps: INestApplication[];

  /** Before each test. */
  async set(): Promise<void> {
    this.stream = operatedStream();
    this.server = await OperatedServer.connect();
    this.letters = new DeadLetters(this.server.nc);
    this.redrives = new Redrives(this.server.nc);
    this.replays = new Replays(this.server.nc);
    this.apps = [];
    this.isBroken = true;
    this.seen = [];
    this.contexts = [];
  }

  /** After each test. */
  async clear(): Promise<void> {
    await this.stop();
    await this.server.close();
  }

  async start(...parts: Type[]): Promise<INestApplication> {
    const app = await startService(this.stream, parts);
    this.apps.push(app);
    return app;
  }

  /** Stops every process of the service. */
  async stop(): Promise<void> {
    await Promise.all(this.apps.splice(0).map((app) => app.close()));
  }

  /** One handler that fails while the scene is broken, and one that never does, of the same messages. */
  controllers(): Type[] {
    return controllersOf(this);
  }

  /** Returns the id of the dead letter. */
  async failOnce(body = '"order"'): Promise<string> {
    await this.server.publish(this.stream.subject('a'), body, 'id-1');
    await this.server.deadLetters(this.stream.name, 1);
    const { letters } = await this.letters.list({ stream: this.stream.name }, { limit: 1 });
    return letters[0]?.id ?? '';
  }

  seenBy(durable: string): number {
    return this.seen.filter((entry) => entry.startsWith(durable)).length;
  }
}

function controllersOf(scene: RedriveScene): Type[] {
  @Controller()
  class Failing {
    @EventPattern(scene.stream.subject('a'), { durable: 'failing', maxDeliver: 1 })
    on(@Payload() payload: string, @Ctx() context: JetStreamContext): void {
      scene.seen.push(`failing:${payload}`);
      scene.contexts.push(context);
      if (scene.isBroken) throw new TerminalError('broken'.padEnd(1_000, '.'));
    }
  }
  @Controller()
  class Healthy {
    @EventPattern(scene.stream.subject('a'), { durable: 'healthy' })
    on(@Payload() payload: string): void {
      scene.seen.push(`healthy:${payload}`);
    }
  }
  return [Failing, Healthy];
}
