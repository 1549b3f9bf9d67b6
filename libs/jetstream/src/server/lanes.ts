/** What a lane orders: `sequence` is its place, `isExclusive` says that nothing may run beside it. */
export interface LaneItem {
  readonly key: string;
  readonly sequence: number;
  readonly track: number;
  readonly isExclusive: boolean;
}

interface Lane<Item> {
  readonly key: string;
  /** Not started yet, by sequence. */
  readonly waiting: Item[];
  /** Running, or waiting for its retry. */
  occupant: Item | undefined;
  isReady: boolean;
}

/** Lanes that open and close together. */
class Track<Item> {
  isOpen = false;
  readonly lanes = new Map<string, Lane<Item>>();
  /** Lanes whose first item may start, in the order in which they got ready: one busy key waits its turn. */
  readonly ready: Lane<Item>[] = [];
}

/**
 * Decides what may start: of one key one item at a time and in order of sequence, of all keys at most `concurrency` at
 * once. Knows no clock, no server and no promise. Empty lanes are forgotten.
 */
export class LaneScheduler<Item extends LaneItem> {
  private readonly tracks: Track<Item>[];
  private turn = 0;
  private isRunningAlone = false;
  private readonly started = new Set<Item>();

  constructor(
    tracks: number,
    private readonly concurrency: number,
  ) {
    this.tracks = Array.from({ length: tracks }, () => new Track<Item>());
  }

  /** Items that were started and have not ended. */
  get running(): number {
    return this.started.size;
  }

  /** Lanes that hold something. */
  get lanes(): number {
    return this.tracks.reduce((sum, { lanes }) => sum + lanes.size, 0);
  }

  isRunning(item: Item): boolean {
    return this.started.has(item);
  }

  /** Lets the lanes of a track start items. */
  open(track: number): void {
    this.at(track).isOpen = true;
  }

  /** Lets nothing of a track start; what runs goes on. */
  close(track: number): void {
    this.at(track).isOpen = false;
  }

  add(item: Item): void {
    const track = this.at(item.track);
    let lane = track.lanes.get(item.key);
    if (!lane) {
      lane = { key: item.key, waiting: [], occupant: undefined, isReady: false };
      track.lanes.set(item.key, lane);
    }
    insert(lane.waiting, item);
    this.settle(track, lane);
  }

  /** Starts the next item that may run, and returns it. */
  start(): Item | undefined {
    if (this.isRunningAlone || this.started.size >= this.concurrency) return undefined;
    for (let tried = 0; tried < this.tracks.length; tried++) {
      const track = this.at(this.turn);
      const lane = track.isOpen ? track.ready[0] : undefined;
      const item = lane?.waiting[0];
      // Nothing more starts on any track until what must run alone has run.
      if (item?.isExclusive && this.started.size > 0) return undefined;
      this.turn = (this.turn + 1) % this.tracks.length;
      if (lane && item) return this.occupy(track, lane, item);
    }
    return undefined;
  }

  /** Ends an item; the next of its key may start. */
  finish(item: Item): void {
    this.end(item);
    const track = this.at(item.track);
    const lane = track.lanes.get(item.key);
    if (lane?.occupant !== item) return;
    lane.occupant = undefined;
    this.settle(track, lane);
  }

  /** Ends an item that is to be repeated as `next`, which blocks the lane until `retry`. */
  defer(item: Item, next: Item): void {
    this.end(item);
    const lane = this.at(item.track).lanes.get(item.key);
    if (lane?.occupant === item) lane.occupant = next;
  }

  /** Lets a deferred item start. */
  retry(item: Item): void {
    const track = this.at(item.track);
    const lane = track.lanes.get(item.key);
    if (lane?.occupant !== item) return;
    lane.occupant = undefined;
    insert(lane.waiting, item);
    this.settle(track, lane);
  }

  /** Takes out everything of a track that does not run, deferred items included, in order of sequence. */
  withdraw(track: number): Item[] {
    const { lanes, ready } = this.at(track);
    const withdrawn: Item[] = [];
    for (const lane of lanes.values()) {
      withdrawn.push(...lane.waiting.splice(0));
      if (lane.occupant && !this.started.has(lane.occupant)) {
        withdrawn.push(lane.occupant);
        lane.occupant = undefined;
      }
      lane.isReady = false;
      if (!lane.occupant) lanes.delete(lane.key);
    }
    ready.length = 0;
    return withdrawn.toSorted((a, b) => a.sequence - b.sequence);
  }

  private occupy(track: Track<Item>, lane: Lane<Item>, item: Item): Item {
    track.ready.shift();
    lane.isReady = false;
    lane.waiting.shift();
    lane.occupant = item;
    this.started.add(item);
    this.isRunningAlone = item.isExclusive;
    return item;
  }

  private end(item: Item): void {
    this.started.delete(item);
    if (item.isExclusive) this.isRunningAlone = false;
  }

  private settle(track: Track<Item>, lane: Lane<Item>): void {
    if (lane.occupant || lane.isReady) return;
    if (lane.waiting.length === 0) {
      track.lanes.delete(lane.key);
      return;
    }
    lane.isReady = true;
    track.ready.push(lane);
  }

  private at(track: number): Track<Item> {
    const found = this.tracks[track];
    if (!found) throw new RangeError(`there is no track ${track}`);
    return found;
  }
}

/** Nearly always the end; a redelivered message goes in front of what came after it. */
function insert<Item extends LaneItem>(items: Item[], item: Item): void {
  let index = items.length;
  while (index > 0 && (items[index - 1]?.sequence ?? 0) > item.sequence) index--;
  items.splice(index, 0, item);
}
