import type { ConsumerLiveness, ConsumerPosition } from '../observer.js';
import { isForbidden } from '../topology/forbidden.js';
import type { LocatedConsumer } from '../topology/topology.js';
import type { ConsumerPlan } from './routes.js';

const INTERVAL_MS = 2_000;
/** Handlers that run for as long as they may keep a consumer from moving; it is stalled when that cannot be why. */
const HANDLER_MARGIN_MS = 5_000;
const LEAST_STALL_MS = 20_000;

/** What a loop knows about itself. */
export type OwnLiveness = Omit<ConsumerLiveness, 'stuckMs' | 'pending'>;

/** A consumer loop, with the consumers that it has on the server. */
export interface WatchedLoop {
  readonly plan: ConsumerPlan;
  readonly liveness: OwnLiveness;
  readonly consumers: readonly LocatedConsumer[];
}

interface Mark {
  readonly position: ConsumerPosition;
  /** When it was last seen to move, or to have nothing to do. */
  readonly wellAt: number;
}

/**
 * Notices consumers that do not move although messages wait for them: nothing is delivered or settled in any process. A
 * pull that the server answers with heartbeats alone looks well to its loop, as when somebody else holds all that
 * may be unacknowledged.
 */
export class ProgressWatch {
  private marks: ReadonlyMap<string, Mark> = new Map();
  private timer: NodeJS.Timeout | undefined;
  private isLooking = false;

  constructor(
    private readonly loops: () => readonly WatchedLoop[],
    private readonly ask: (consumers: readonly LocatedConsumer[]) => Promise<readonly ConsumerPosition[]>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  start(): void {
    this.timer ??= setInterval(() => void this.look(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Asks the server once. While it does not answer nothing is known, which other checks tell of. */
  async look(): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      const loops = this.loops();
      const resting = new Set(loops.filter(({ liveness }) => liveness.state !== 'running').flatMap(keysOf));
      const positions = await this.ask(loops.flatMap(({ consumers }) => consumers));
      this.marks = new Map(positions.map((position) => this.mark(position, resting)));
    } catch (error) {
      this.marks = new Map();
      if (isForbidden(error)) this.stop();
    } finally {
      this.isLooking = false;
    }
  }

  /** A loop that says it runs is stalled when messages have waited for too long without any movement. */
  judge(loop: WatchedLoop): ConsumerLiveness {
    const { liveness, plan } = loop;
    const marks = keysOf(loop).flatMap((key) => this.marks.get(key) ?? []);
    const stuckMs = Math.max(0, ...marks.map(({ wellAt }) => this.now() - wellAt));
    const pending = Math.max(0, ...marks.map(({ position }) => position.pending));
    const limitMs = Math.max(LEAST_STALL_MS, plan.options.timeoutMs + HANDLER_MARGIN_MS);
    const isStalled = liveness.state === 'running' && stuckMs > limitMs;
    return { ...liveness, state: isStalled ? 'stalled' : liveness.state, stuckMs, pending };
  }

  private mark(position: ConsumerPosition, resting: ReadonlySet<string>): [string, Mark] {
    const key = keyOf(position.stream, position.consumer);
    const former = this.marks.get(key);
    const isWell = position.pending === 0 || position.isPaused || resting.has(key);
    const hasMoved =
      former?.position.deliveries !== position.deliveries ||
      former.position.settledDeliveries !== position.settledDeliveries;
    return [key, { position, wellAt: isWell || hasMoved ? this.now() : former.wellAt }];
  }
}

function keysOf({ plan, consumers }: WatchedLoop): string[] {
  return consumers.map((consumer) => keyOf(plan.stream.name, consumer.plan.options.durable));
}

function keyOf(stream: string, consumer: string): string {
  return `${stream}/${consumer}`;
}
