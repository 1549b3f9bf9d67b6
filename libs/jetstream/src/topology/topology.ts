import { Logger } from '@nestjs/common';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import type { JetStreamConnection } from '../connection.js';
import type { ResolvedJetStreamOptions } from '../jetstream.options.js';
import type { ConsumerPosition } from '../observer.js';
import { isMissing } from '../server/missing.js';
import type { ConsumerPlan } from '../server/routes.js';
import { Binding } from './binding.js';
import type { TopologyChange } from './change.js';
import { notCovered } from './compare-consumers.js';
import { consumerSettings } from './declaration.js';
import { changeConsumer, changeStream, planConsumer, planStream } from './plan-topology.js';
import { streamSettings } from './stream-config.js';
import { toPosition } from './survey.js';
import { TopologyMismatchError } from './topology-errors.js';

type Wanted = Pick<ResolvedJetStreamOptions, 'streams' | 'replicas' | 'limits' | 'topology' | 'publishes'>;

/** A plan and the name its consumer has on the server. */
export interface LocatedConsumer {
  readonly plan: ConsumerPlan;
  readonly consumerName: string;
}

/**
 * The streams and durable consumers this process needs. In `ensure` mode a start creates what is missing, and brings
 * consumers up to date; in `bind` mode it only makes sure that everything is there. Calls may be repeated and raced.
 */
export class Topology {
  private readonly logger = new Logger(Topology.name);
  private readonly binding: Binding;

  constructor(
    private readonly connection: JetStreamConnection,
    private readonly wanted: Wanted,
  ) {
    this.binding = new Binding(connection);
  }

  /**
   * Creates each stream, its dead-letter stream and the library's own where they are missing.
   * @throws TopologyUnavailableError in `bind` mode, when it may not publish what it says it publishes
   */
  async ensureStreams(): Promise<void> {
    const { streams, topology, publishes = [], ...defaults } = this.wanted;
    if (topology === 'bind') {
      await Promise.all(publishes.map((subject) => this.binding.requireStream(subject)));
      return;
    }
    const manager = await this.connection.manager();
    const { api } = await manager.getAccountInfo();
    for (const settings of streamSettings(streams, { ...defaults, apiLevel: api.level ?? 0 })) {
      const changes = await planStream(manager, settings);
      if (changes.some(({ action }) => action === 'create')) {
        await changeStream(manager, settings, changes);
        this.logger.log({ stream: settings.name }, 'stream created');
      } else if (changes.length > 0) {
        // Changing a stream that others rely on is an operator's decision, not a side effect of a start.
        const fields = changes.map(({ field }) => field);
        this.logger.warn(
          { stream: settings.name, fields },
          'stream differs from its declaration and is left as it is',
        );
      }
    }
  }

  /** Partitions of one durable. The first one comes last: where it is, all of them are. */
  async ensureInTurn(plans: readonly ConsumerPlan[]): Promise<void> {
    const left: TopologyChange[] = [];
    for (const plan of plans.toReversed()) left.push(...(await this.bringUpToDate(plan)));
    this.warnOf(left);
  }

  /**
   * Creates the durable of a plan, or brings the settings that may change up to date. It reads on what it has read so far.
   * @throws TopologyMismatchError when the server has a consumer of this name that cannot become the declared one
   * @throws TopologyUnavailableError in `bind` mode, when the durable is missing or not permitted
   */
  async ensureConsumer(plan: ConsumerPlan): Promise<void> {
    this.warnOf(await this.bringUpToDate(plan));
  }

  /** @returns what is left to an operator, because the durable would read less */
  private async bringUpToDate(plan: ConsumerPlan): Promise<TopologyChange[]> {
    if (this.wanted.topology === 'bind') {
      await this.binding.requireConsumer(plan);
      return [];
    }
    const manager = await this.connection.manager();
    const settings = consumerSettings(plan);
    const changes = await planConsumer(manager, settings);
    const impossible = changes.filter((change) => change.class === 'refused' || isExchange(change));
    if (impossible.length > 0) {
      throw new TopologyMismatchError(impossible.map(({ description }) => description).join('; '));
    }
    // Of two versions that run side by side, the older one does not know what the newer one reads. Taken away at its start,
    // messages there would be passed over for good.
    const { safe = [], 'needs-migration': left = [] } = Object.groupBy(changes, (change) => change.class);
    await changeConsumer(manager, settings, safe);
    if (safe.length > 0) this.report(plan, safe[0]?.action === 'create' ? 'created' : 'updated');
    return left;
  }

  /**
   * Brings back what is missing and changes nothing that is there: while two versions of a service run, each would
   * otherwise undo what the other declared.
   */
  async restoreConsumer(plan: ConsumerPlan): Promise<void> {
    if (this.wanted.topology === 'bind') return this.binding.requireConsumer(plan);
    await this.ensureStreams();
    const manager = await this.connection.manager();
    const settings = consumerSettings(plan);
    const missing = (await planConsumer(manager, settings)).filter(({ action }) => action === 'create');
    await changeConsumer(manager, settings, missing);
    if (missing.length > 0) this.report(plan, 'created');
  }

  /** Opens the bucket that counts started attempts; created in `ensure` mode where it is missing. */
  async openAttempts(): Promise<KV> {
    if (this.wanted.topology === 'ensure') return this.connection.openAttempts();
    await this.binding.requireAttempts();
    return this.connection.bindAttempts();
  }

  /** Asks the server how far each consumer is, and leaves out those that it does not know. */
  async positions(consumers: readonly LocatedConsumer[]): Promise<ConsumerPosition[]> {
    const manager = await this.connection.manager();
    const found = await Promise.all(consumers.map((consumer) => positionOf(manager, consumer)));
    return found.filter((position) => position !== undefined);
  }

  private warnOf(left: readonly TopologyChange[]): void {
    const change = left.at(-1);
    if (!change) return;
    const { stream, consumer } = change;
    this.logger.warn(
      { stream, consumer, subjects: notCovered(change.actual as string[], change.wanted as string[]) },
      'the durable still reads subjects that no handler here has; if no newer version has them either, take them out ' +
        'with "slipstream streams apply --migrate"',
    );
  }

  private report({ stream, options }: ConsumerPlan, what: 'created' | 'updated'): void {
    this.logger.log({ stream: stream.name, consumer: options.durable }, `consumer ${what}`);
  }
}

/** Nothing the server allows reads both what is there and what is declared. */
function isExchange({ field, class: changeClass, actual, wanted }: TopologyChange): boolean {
  return (
    field === 'filter_subjects' &&
    changeClass === 'needs-migration' &&
    notCovered(wanted as string[], actual as string[]).length > 0
  );
}

/** One that was deleted, or that comes and goes with its process, must not hide how far all the others are. */
async function positionOf(
  manager: JetStreamManager,
  { plan: { stream, options }, consumerName }: LocatedConsumer,
): Promise<ConsumerPosition | undefined> {
  try {
    const info = await manager.consumers.info(stream.name, consumerName);
    return { ...toPosition(info), consumer: options.durable };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
