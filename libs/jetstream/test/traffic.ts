import { jetstream } from '@nats-io/jetstream';
import type { Bystander } from './harness.js';

/** Publishes numbers until it is stopped, each until the stream has confirmed it. */
export class Traffic {
  private isStopped = false;
  private published = 0;
  private readonly done: Promise<void>;

  constructor(bystander: Bystander, subject: string) {
    this.done = this.run(bystander, subject);
  }

  get count(): number {
    return this.published;
  }

  async stop(): Promise<number> {
    this.isStopped = true;
    await this.done;
    return this.published;
  }

  private async run(bystander: Bystander, subject: string): Promise<void> {
    const client = jetstream(bystander.nc, { timeout: 2_000 });
    while (!this.isStopped) {
      const body = String(this.published);
      const isStored = await client.publish(subject, body, { msgID: body }).catch(() => undefined);
      if (isStored) this.published++;
    }
  }
}
