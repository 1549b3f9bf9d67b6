import { streams as contracted } from '@slipstream/contracts';
import { redriveDurable } from '@slipstream/jetstream';
import { INTAKE } from './intake.controller.js';
import { INVENTORY, PAYMENTS } from './settlement.controller.js';
import type { SettlementPosition, TakeSurvey } from './survey.js';

/** Bring orders and what settles them. */
const DURABLES: ReadonlySet<string> = new Set([INTAKE, PAYMENTS, INVENTORY].map(({ durable }) => durable));
/** Bring the same once more when an operator sends it, as after a restore. */
const REDRIVES: ReadonlySet<string> = new Set(
  contracted.flatMap(({ name }) => [...DURABLES].map((durable) => redriveDurable(name, durable))),
);

/**
 * Knows for how long this service has heard in time of what settles orders. It has when everything that was stored at one
 * look is settled at the next, however much came since: after an outage an outcome may still wait in its stream, for its
 * turn or for another attempt.
 */
export class SettlementWatch {
  /** By consumer, the last message that its stream had at the last look. */
  private stored: ReadonlyMap<string, number> = new Map();
  private inTimeSince: number | undefined;

  constructor(private readonly survey: TakeSurvey) {}

  /**
   * @param now in milliseconds
   * @returns milliseconds, undefined when something may wait
   * @throws what the survey threw; then nothing is known of the time before
   */
  async look(now: number): Promise<number | undefined> {
    const before = this.stored;
    const since = this.inTimeSince ?? now;
    this.stored = new Map();
    this.inTimeSince = undefined;
    const { streams, consumers } = await this.survey();
    const lasts = new Map(streams.map(({ stream, lastSequence }) => [stream, lastSequence]));
    const settling = consumers.filter(({ consumer }) => DURABLES.has(consumer) || REDRIVES.has(consumer));
    this.stored = new Map(settling.map((at) => [at.consumer, lasts.get(at.stream) ?? lastKnownBy(at)]));
    // Of one that is missing nothing was heard.
    const isComplete = settling.filter(({ consumer }) => DURABLES.has(consumer)).length === DURABLES.size;
    const isInTime = isComplete && settling.every((at) => hasSettled(at, before.get(at.consumer)));
    if (isInTime) this.inTimeSince = since;
    return isInTime ? now - since : undefined;
  }
}

/** Where a service may not ask for the stream: it has nothing beyond what was delivered when nothing is pending. */
function lastKnownBy({ pending, deliveredThrough }: SettlementPosition): number {
  return pending === 0 ? deliveredThrough : Infinity;
}

/** The last message of a stream may be none of the consumer's, which has settled everything when nothing is left. */
function hasSettled({ settledThrough, pending, ackPending }: SettlementPosition, last?: number): boolean {
  if (last === undefined) return false;
  return settledThrough >= last || pending + ackPending === 0;
}
