import type { Redis } from 'ioredis';
import { createHash } from 'node:crypto';
import type { Key } from '../fingerprint.js';
import { LeasedInbox, type LeasedInboxOptions } from './leased-inbox.js';
import type { Reservation, ReservationStore, ReserveAnswer } from './reservations.js';

export interface RedisInboxOptions extends LeasedInboxOptions {
  /**
   * Milliseconds a message is remembered after it was done. Not below the longest `max_age` of the streams.
   * @default 8 days
   */
  readonly retentionMs?: number;
  /**
   * Begins every key.
   * @default 'inbox'
   */
  readonly prefix?: string;
}

/**
 * Remembers in Redis. What Redis forgets in a failover, which replicates after it answers, may be processed again.
 * Keys of one consumer lie in one slot of a cluster. Give the client a `commandTimeout` and few `maxRetriesPerRequest`: by
 * itself it keeps a command for longer than a handler may take.
 */
export class RedisInbox extends LeasedInbox {
  constructor(client: Redis, { retentionMs, prefix, ...options }: RedisInboxOptions = {}) {
    super(new RedisReservations(client, retentionMs, prefix), options);
  }
}

/** The time is that of the server: the clocks of the processes need not agree. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

const RESERVE = script(`${NOW}
local answers = {}
for i = 2, #KEYS do
  local entry = redis.call('HMGET', KEYS[i], 'state', 'until', 'fingerprint')
  if entry[1] == 'done' then
    answers[i - 1] = {'done', 0, entry[3]}
  elseif entry[1] and tonumber(entry[2]) > now then
    answers[i - 1] = {'held', 0, entry[3]}
  else
    local fence = redis.call('INCR', KEYS[1])
    redis.call('HSET', KEYS[i], 'state', 'reserved', 'fence', fence, 'until', now + ARGV[1], 'fingerprint', ARGV[i + 1])
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
    answers[i - 1] = {entry[1] and 'taken-over' or 'reserved', fence, ''}
  end
end
return answers
`);

const CHANGE = script(`${NOW}
local ours = 1
for i = 1, #KEYS do
  local entry = redis.call('HMGET', KEYS[i], 'state', 'fence')
  if entry[1] == 'reserved' and entry[2] == ARGV[i + 2] then
    if ARGV[1] == 'renew' then
      redis.call('HSET', KEYS[i], 'until', now + ARGV[2])
    elseif ARGV[1] == 'complete' then
      redis.call('HSET', KEYS[i], 'state', 'done')
      redis.call('PEXPIRE', KEYS[i], ARGV[2])
    else
      redis.call('DEL', KEYS[i])
    end
  elseif entry[1] ~= 'done' or entry[2] ~= ARGV[i + 2] then
    ours = 0
  end
end
return ours
`);

export class RedisReservations implements ReservationStore {
  constructor(
    private readonly client: Redis,
    private readonly retentionMs = 8 * 24 * 60 * 60 * 1_000,
    private readonly prefix = 'inbox',
  ) {}

  async reserve(consumer: string, keys: readonly Key[], leaseMs: number): Promise<ReserveAnswer[]> {
    const answers = (await this.run(
      RESERVE,
      [`${this.rootOf(consumer)}#fence`, ...keys.map(({ messageId }) => this.keyOf(consumer, messageId))],
      // A reservation outlives its lease, so that a takeover is seen as one.
      [leaseMs, Math.max(this.retentionMs, 2 * leaseMs), ...keys.map(({ fingerprint = '' }) => fingerprint)],
    )) as [state: string, fence: number, fingerprint: string][];
    return answers.map(([state, fence, fingerprint], index) => {
      if (state === 'held' || state === 'done') return { state, fingerprint: fingerprint || undefined };
      const messageId = keys[index]?.messageId ?? '';
      return {
        state: 'reserved',
        reservation: { messageId, fence, token: fence },
        isTakeover: state === 'taken-over',
      };
    });
  }

  renew(consumer: string, held: readonly Reservation[], leaseMs: number): Promise<boolean> {
    return this.change('renew', leaseMs, consumer, held);
  }

  complete(consumer: string, held: readonly Reservation[]): Promise<boolean> {
    return this.change('complete', this.retentionMs, consumer, held);
  }

  async release(consumer: string, held: readonly Reservation[]): Promise<void> {
    await this.change('release', 0, consumer, held);
  }

  private async change(
    verb: 'renew' | 'complete' | 'release',
    ms: number,
    consumer: string,
    held: readonly Reservation[],
  ): Promise<boolean> {
    const keys = held.map(({ messageId }) => this.keyOf(consumer, messageId));
    return (await this.run(CHANGE, keys, [verb, ms, ...held.map(({ token }) => token)])) === 1;
  }

  private async run(
    { lua, sha }: Script,
    keys: readonly string[],
    parameters: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await this.client.evalsha(sha, keys.length, ...keys, ...parameters);
    } catch (error) {
      // A server that was restarted has forgotten its scripts.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return this.client.eval(lua, keys.length, ...keys, ...parameters);
    }
  }

  private keyOf(consumer: string, messageId: string): string {
    return `${this.rootOf(consumer)}:${messageId}`;
  }

  /** What is in braces decides the slot. */
  private rootOf(consumer: string): string {
    return `${this.prefix}:{${consumer}}`;
  }
}

interface Script {
  readonly lua: string;
  readonly sha: string;
}

function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}
