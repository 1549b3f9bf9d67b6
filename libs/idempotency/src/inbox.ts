import type { JetStreamContext } from '@slipstream/jetstream';

/**
 * A message as its consumer identifies it. Two deliveries are the same message when consumer and message id agree. With
 * subject and data, which a `JetStreamContext` has, an id that comes again with another body is told from a duplicate; with
 * the time at which it was stored, a message that may be forgotten from a new one. What an operator redrives is wanted,
 * however old it is. A repository may look for a message that was sent before in another way than for one that is likely
 * to be new.
 */
export type MessageIdentity = Pick<JetStreamContext, 'consumer' | 'messageId'> &
  Partial<Pick<JetStreamContext, 'subject' | 'data' | 'timestamp' | 'isRedrive' | 'isRedelivered'>>;

/**
 * What a crash can do to an effect:
 * - `exactly-once`: key and effect are one transaction; both are there or neither is.
 * - `may-repeat`: the key is reserved, the effect runs, the key is marked done. A process that dies between the last
 *   two, or loses its lease, has the effect run again by the next one. The effect must bear that.
 */
export type EffectGuarantee = 'exactly-once' | 'may-repeat';

/**
 * Port: remembers which messages a consumer has dealt with. `Context` is what an effect is given: the transaction it must
 * write through (`PostgresInbox`), or the lease it runs under (`RedisInbox`, `NatsKvInbox`, `MemoryInbox`).
 */
export interface Inbox<Context> {
  readonly guarantee: EffectGuarantee;

  /**
   * Runs `effect` unless the consumer has dealt with the message before. Waits while another process is at it.
   * @returns false when the message was a duplicate and nothing was done
   * @throws MessageConflictError when the id came before with another body
   */
  once(message: MessageIdentity, effect: (context: Context) => Promise<void>): Promise<boolean>;

  /**
   * Runs `effect` at most once for a batch of one consumer and hands it the ids that are new, unless there are none.
   * @returns the ids that were new
   * @throws MessageConflictError when one of the ids came before with another body; then nothing was done
   */
  onceEach(
    messages: readonly MessageIdentity[],
    effect: (context: Context, fresh: ReadonlySet<string>) => Promise<void>,
  ): Promise<ReadonlySet<string>>;
}
