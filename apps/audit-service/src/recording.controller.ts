import { Controller } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { EventPattern, JetStreamBatchContext, type HandlerOptions } from '@slipstream/jetstream';
import { AuditLog } from './audit-log.js';
import { recorderOf } from './audit-record.js';

// One batch at a time: the segments of a stream form a chain anyway. Large segments are worth a second's wait.
const RECORDING = {
  raw: true,
  concurrency: 1,
  batch: { size: 1_000, lingerMs: 1_000 },
} satisfies Partial<HandlerOptions>;

/** Keeps every message of every stream, readable or not. */
@Controller()
export class RecordingController {
  constructor(private readonly log: AuditLog) {}

  @EventPattern('orders.*.*', { durable: recorderOf('ORDERS'), ...RECORDING })
  async onOrders(@Ctx() { messages }: JetStreamBatchContext): Promise<void> {
    await this.log.append(messages);
  }

  @EventPattern('payments.*.*', { durable: recorderOf('PAYMENTS'), ...RECORDING })
  async onPayments(@Ctx() { messages }: JetStreamBatchContext): Promise<void> {
    await this.log.append(messages);
  }

  @EventPattern('inventory.*.*', { durable: recorderOf('INVENTORY'), ...RECORDING })
  async onInventory(@Ctx() { messages }: JetStreamBatchContext): Promise<void> {
    await this.log.append(messages);
  }
}
