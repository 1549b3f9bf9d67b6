import { JetStreamApiError } from '@nats-io/jetstream';
import type { KvEntry } from '@nats-io/kv';
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { DeliveryInfo } from './delivery-info.js';

/** Starts that ended neither in success nor in an error, after which a message is suspected of killing its process. */
const SUSPICIOUS_STARTS = 2;

/** Messages a ledger in memory remembers; a process holds fewer unsettled ones. */
const MOST_REMEMBERED = 20_000;

/** Waits before an entry is read again that turned out to be old. A replica is behind for moments. */
const STALE_DELAYS_MS = [5, 10, 20, 40, 80, 160, 320, 640, 640, 640, 640];
const WRONG_LAST_SEQUENCE = [10_071, 10_164];

interface Bucket {
  get(key: string): Promise<Pick<KvEntry, 'json' | 'revision'> | null>;
  put(key: string, value: string, options?: { previousSeq?: number }): Promise<unknown>;
}

interface Entry {
  /** How often a handler was started. */
  readonly started: number;
  /** Starts in a row whose end nobody recorded: the process died, or lost its connection. */
  readonly unfinished: number;
  /** Tells the start that was recorded last from others; absent when it has ended. */
  readonly start?: string;
}

/**
 * Counts how often a message was really started. The server counts deliveries, and a delivery that was given back at
 * shutdown or lay in the buffer of a killed process is none the handler saw: counting those would dead-letter messages
 * that never ran. A first delivery that succeeds needs no entry, so the hot path never comes here.
 */
export class AttemptLedger {
  private constructor(
    private readonly openBucket: () => Promise<Bucket>,
    private bucket: Bucket,
  ) {}

  static async open(openBucket: () => Promise<Bucket>): Promise<AttemptLedger> {
    return new AttemptLedger(openBucket, await openBucket());
  }

  /** For consumers that go with their process: nobody could read their entries later. */
  static inMemory(): AttemptLedger {
    const bucket = memoryBucket();
    return new AttemptLedger(() => Promise.resolve(bucket), bucket);
  }

  /**
   * Records that a redelivered message is about to start and returns the number of this attempt. Any replica may answer
   * a read, and one that is behind has an old count: the write is refused unless it follows what was read.
   * @throws when all that answered were behind
   */
  async start(info: DeliveryInfo): Promise<number> {
    const id = randomUUID();
    for (let round = 0; ; round++) {
      const { started, unfinished, revision, start } = await this.read(info);
      // Recorded, though the answer was lost: once more would count it twice.
      if (start === id) return started;
      try {
        await this.write(info, { started: started + 1, unfinished: unfinished + 1, start: id }, revision);
        return started + 1;
      } catch (error) {
        const delayMs = STALE_DELAYS_MS[round];
        if (!isOutdated(error) || delayMs === undefined) throw error;
        await setTimeout(delayMs);
      }
    }
  }

  /** Records that attempt number `attempt` ended with an error, which acquits it of having killed the process. */
  async finish(info: DeliveryInfo, attempt: number): Promise<void> {
    await this.write(info, { started: attempt, unfinished: 0 });
  }

  /** Records that a first delivery was given back without having been started. */
  async giveBack(info: DeliveryInfo): Promise<void> {
    if (info.deliveryCount === 1) await this.write(info, { started: 0, unfinished: 0 });
  }

  /**
   * True when the message may be what killed the process, or was merely beside it more than once. A replica that is
   * behind may acquit it for one more attempt, which is counted all the same.
   */
  async isSuspect(info: DeliveryInfo): Promise<boolean> {
    if (info.deliveryCount <= SUSPICIOUS_STARTS) return false;
    return (await this.read(info)).unfinished >= SUSPICIOUS_STARTS;
  }

  private async read(info: DeliveryInfo): Promise<Entry & { readonly revision: number }> {
    const entry = await this.attempt((bucket) => bucket.get(keyOf(info)));
    // Without an entry only the first delivery was started.
    if (!entry) return { started: 1, unfinished: 1, revision: 0 };
    return { ...entry.json<Entry>(), revision: entry.revision };
  }

  /** @param after revision the entry must have until now, 0 when there must be none; any when undefined */
  private async write(info: DeliveryInfo, entry: Entry, after?: number): Promise<void> {
    const condition = after === undefined ? {} : { previousSeq: after };
    await this.attempt((bucket) => bucket.put(keyOf(info), JSON.stringify(entry), condition));
  }

  /** A bucket that somebody deleted is created anew: without it nothing that failed could be settled. */
  private async attempt<T>(operation: (bucket: Bucket) => Promise<T>): Promise<T> {
    try {
      return await operation(this.bucket);
    } catch (error) {
      if (isOutdated(error)) throw error;
      this.bucket = await this.openBucket();
      return operation(this.bucket);
    }
  }
}

/** The time tells a message from an earlier one of a stream that was created anew. A redrive has attempts of its own. */
function keyOf({ stream, consumer, streamSequence, timestampMs, redrive }: DeliveryInfo): string {
  const key = `${stream}.${consumer}.${streamSequence}.${Math.trunc(timestampMs)}`;
  return redrive === undefined ? key : `${key}.${redrive}`;
}

function isOutdated(error: unknown): boolean {
  return error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.includes(error.code);
}

/** One process alone reads and writes it, so a condition always holds. */
function memoryBucket(): Bucket {
  const entries = new Map<string, string>();
  return {
    get: async (key) => {
      const value = entries.get(key);
      return value === undefined ? null : { json: <T>() => JSON.parse(value) as T, revision: 1 };
    },
    put: async (key, value) => {
      entries.delete(key);
      entries.set(key, value);
      const [oldest] = entries.size > MOST_REMEMBERED ? entries.keys() : [];
      if (oldest !== undefined) entries.delete(oldest);
    },
  };
}
