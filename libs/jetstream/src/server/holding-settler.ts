import type { Msg } from '@nats-io/transport-node';
import { Settler, type Settlement } from './settle.js';

/** Milliseconds before a message is run again whose dead letter could not be stored. */
const DEAD_LETTER_RETRY_MS = 5_000;

/**
 * Settles what is final and keeps what is to be tried again: given back to the server, a message would be overtaken by
 * later ones of its key.
 */
export class HoldingSettler extends Settler {
  private readonly kept = new WeakMap<Msg, number>();
  private sending: Promise<void> | undefined;

  override settle(
    message: Msg,
    settlement: Settlement,
    copyToDeadLetters: (error: unknown) => Promise<void>,
  ): Settlement | Promise<Settlement> {
    switch (settlement.verb) {
      case 'nak':
        this.kept.set(message, settlement.delayMs);
        return settlement;
      case 'dead-letter':
        return this.store(message, settlement, copyToDeadLetters);
      default:
        return super.settle(message, settlement, copyToDeadLetters);
    }
  }

  /** Milliseconds after which the message must be run again; undefined when it is settled. */
  takeRetryDelay(message: Msg): number | undefined {
    const delayMs = this.kept.get(message);
    this.kept.delete(message);
    return delayMs;
  }

  /** Resolves when what was settled before has been written to the socket. */
  sent(): Promise<void> {
    // The acks of a turn of the event loop are written in an immediate that was queued before this one.
    this.sending ??= new Promise((resolve) => {
      setImmediate(() => {
        this.sending = undefined;
        resolve();
      });
    });
    return this.sending;
  }

  /** Acks a message that is not this process's to handle, or was handled by it before. */
  pass(message: Msg): void {
    void super.settle(message, { verb: 'ack' }, noCopy);
  }

  private async store(
    message: Msg,
    settlement: Settlement & { verb: 'dead-letter' },
    copyToDeadLetters: (error: unknown) => Promise<void>,
  ): Promise<Settlement> {
    try {
      await copyToDeadLetters(settlement.error);
    } catch (error) {
      this.kept.set(message, DEAD_LETTER_RETRY_MS);
      return { verb: 'nak', delayMs: DEAD_LETTER_RETRY_MS, error };
    }
    this.pass(message);
    return settlement;
  }
}

function noCopy(): Promise<void> {
  return Promise.reject(new Error('only dead letters are copied'));
}
