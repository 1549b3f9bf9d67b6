import { it } from '@jest/globals';
import type { DeliveryMode, HandlerOptions, JetStreamOptions } from '@slipstream/jetstream';
import { waitFor } from '@slipstream/testing';
import { HandlerScene, type Handle } from '../handler-scene.js';
import type { TestApp } from '../harness.js';

export interface Mode {
  readonly delivery: DeliveryMode;
  /** Processes share the messages; otherwise each gets all. */
  readonly isShared: boolean;
  /** Why it by nature keeps nothing for the next process; undefined when it does. */
  readonly forgets?: string;
}

/** What every part of the suite of a delivery mode works with. */
export class ModeScene extends HandlerScene {
  // Whoever wants batches in order is refused at start, which the suite of the modes shows.
  readonly itBatches = this.mode.delivery === 'ordered' ? it.skip : it;

  readonly itSurvives = this.mode.forgets === undefined ? it : it.skip;
  /** Ends the titles of what may be skipped for it. */
  readonly butFor = this.mode.forgets === undefined ? '' : ` (by nature not: ${this.mode.forgets})`;

  constructor(
    readonly mode: Mode,
    url: () => string,
  ) {
    super(url);
  }

  /** Starts a process that handles the whole stream in the mode. */
  handle(
    handle: Handle,
    options: Partial<HandlerOptions> = {},
    module: Partial<JetStreamOptions> = {},
  ): Promise<TestApp> {
    return this.start(this.handler('>', { delivery: this.mode.delivery, ...options }, handle), module);
  }

  /** Waits until no consumer of the stream has an unacked message. */
  async allAcked(): Promise<void> {
    await waitFor('the acks', async () => (await this.unacked()) === 0);
  }

  async unacked(): Promise<number> {
    const consumers = await this.bystander.consumers(this.stream.name);
    return consumers.reduce((sum, { num_ack_pending }) => sum + num_ack_pending, 0);
  }
}
