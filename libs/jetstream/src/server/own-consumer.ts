import type { JetStreamConnection } from '../connection.js';
import { ephemeralConsumerConfig } from '../topology/consumer-config.js';
import { isMissing } from './missing.js';
import type { ConsumerPlan } from './routes.js';

/** Creates and removes the consumers that belong to this process alone. */
export class OwnConsumer {
  private streamCreatedAt: string | undefined;

  constructor(
    private readonly connection: Pick<JetStreamConnection, 'nc' | 'manager'>,
    private readonly plan: ConsumerPlan,
    private readonly ensureStreams: () => Promise<void>,
  ) {}

  /**
   * @param resumeAt stream sequence to go on from; the declared start when undefined
   * @returns stream sequence of the first message the consumer may deliver
   */
  async create(name: string, resumeAt: number | undefined): Promise<number> {
    await this.ensureStreams();
    const manager = await this.connection.manager();
    const stream = this.plan.stream.name;
    const { created, state } = await manager.streams.info(stream);
    // In a stream that was created anew, or set back, the old sequence would skip messages.
    const isNewStream = this.streamCreatedAt !== undefined && this.streamCreatedAt !== created;
    const from = resumeAt && (isNewStream ? 1 : Math.min(resumeAt, state.last_seq + 1));
    const info = await manager.consumers.add(stream, ephemeralConsumerConfig(this.plan, name, from));
    this.streamCreatedAt = created;
    return info.delivered.stream_seq + 1;
  }

  async exists(name: string): Promise<boolean> {
    try {
      await (await this.connection.manager()).consumers.info(this.plan.stream.name, name);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Tries once; what stays behind is removed by the server when it was idle for some time. */
  async remove(name: string): Promise<void> {
    if (this.connection.nc.isClosed()) return;
    try {
      await (await this.connection.manager()).consumers.delete(this.plan.stream.name, name);
    } catch {
      // Gone already, or the server is.
    }
  }
}
