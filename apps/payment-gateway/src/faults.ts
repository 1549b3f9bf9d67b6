import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * How the gateway misbehaves: `throttle` answers 429, `down` 503, `slow` answers late, `ambiguous` takes effect and
 * drops the connection without an answer, `decline` declines new charges.
 */
export const FAULT_MODES = ['ok', 'throttle', 'down', 'slow', 'ambiguous', 'decline'] as const;
export type FaultMode = (typeof FAULT_MODES)[number];

export interface FaultSettings {
  readonly mode: FaultMode;
  /** Share of the requests that suffer, from 0 to 1. */
  readonly ratio: number;
  /** Delay of a `slow` request, in milliseconds. */
  readonly latencyMs: number;
}

/** Faults of charges and refunds. Lookups and statistics never suffer any. */
@Injectable()
export class Faults implements OnModuleDestroy {
  private current: FaultSettings = { mode: 'ok', ratio: 1, latencyMs: 0 };
  private readonly stopping = new AbortController();

  settings(): FaultSettings {
    return this.current;
  }

  set(settings: FaultSettings): void {
    this.current = settings;
  }

  /** The fate of one request. */
  draw(): FaultMode {
    const { mode, ratio } = this.current;
    return mode !== 'ok' && Math.random() < ratio ? mode : 'ok';
  }

  /** Waits for the latency of a slow request; a shutdown cuts it short. */
  async wait(): Promise<void> {
    await delay(this.current.latencyMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }

  onModuleDestroy(): void {
    this.stopping.abort();
  }
}
