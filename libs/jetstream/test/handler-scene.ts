import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  EventPattern,
  JetStreamContext,
  type HandlerOptions,
  type JetStreamOptions,
} from '@slipstream/jetstream';
import { natsUrl, uniqueName, waitFor } from '@slipstream/testing';
import {
  Bystander,
  startTestApp,
  testStream,
  type StoredMessage,
  type TestApp,
  type TestStream,
} from './harness.js';

export type Handle = (payload: unknown, context: JetStreamContext) => unknown;

/** A stream and a durable of a test's own, the applications it starts, and a client beside them. */
export class HandlerScene {
  stream: TestStream;
  durable: string;
  bystander: Bystander;
  private open: { close(): unknown }[];

  constructor(private readonly url: () => string = natsUrl) {}

  /** Before each test. */
  async set(): Promise<void> {
    this.stream = testStream();
    this.durable = uniqueName('d');
    this.open = [];
    this.bystander = await Bystander.connect(this.url());
  }

  /** After each test. */
  async clear(): Promise<void> {
    await Promise.all(this.open.map((opened) => opened.close()));
    await this.bystander.close();
  }

  /** Has it closed after the test. */
  adopt<T extends { close(): unknown }>(opened: T): T {
    this.open.push(opened);
    return opened;
  }

  /** On subjects of the stream, with the durable of the test unless the options name another. */
  handler(suffixes: string | string[], options: Partial<HandlerOptions>, handle: Handle): Type {
    const patterns = [suffixes].flat().map(this.stream.subject);
    @Controller()
    class TestController {
      @EventPattern(patterns, { durable: this.durable, ...options })
      on(@Payload() payload: never, @Ctx() context: never): unknown {
        return handle(payload, context);
      }
    }
    return TestController;
  }

  async start(controllers: Type | Type[], options: Partial<JetStreamOptions> = {}): Promise<TestApp> {
    const connection = { servers: this.url() };
    const started = await startTestApp(this.stream, [controllers].flat(), { connection, ...options });
    this.adopt(started.app);
    return started;
  }

  async stop({ app }: TestApp): Promise<void> {
    this.open = this.open.filter((opened) => opened !== app);
    await app.close();
  }

  /** One message after the other, on the subject `a`. */
  async publish(...bodies: unknown[]): Promise<void> {
    for (const body of bodies) {
      await this.bystander.publish(this.stream.subject('a'), JSON.stringify(body));
    }
  }

  /** Has the durable read another subject of the stream too, as a newer version of the service would. */
  async widen(suffix: string): Promise<void> {
    const subjects = ['a', suffix].map(this.stream.subject);
    await this.bystander.updateConsumer(this.stream.name, this.durable, { filter_subjects: subjects });
  }

  position() {
    return this.bystander.consumer(this.stream.name, this.durable);
  }

  /** Waits until every message up to the sequence is acked. */
  async acked(sequence: number): Promise<void> {
    await waitFor('the ack', async () => (await this.position()).ack_floor.stream_seq === sequence);
  }

  letters(): Promise<StoredMessage[]> {
    return this.bystander.messages(`${this.stream.name}_DLQ`);
  }

  firstLetter(): Promise<StoredMessage> {
    return waitFor('the dead letter', async () => (await this.letters())[0]);
  }
}
