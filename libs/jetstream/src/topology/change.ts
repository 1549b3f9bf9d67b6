/**
 * `safe`: loses nothing and is done by `apply`. `needs-migration`: changes what clients may rely on, done only when asked
 * for by name. `refused`: would delete data, or cannot be done to what exists; never done.
 */
export type ChangeClass = 'safe' | 'needs-migration' | 'refused';

/** One difference between the declaration and the server. */
export interface TopologyChange {
  readonly class: ChangeClass;
  readonly action: 'create' | 'update';
  readonly stream: string;
  /** Absent for a change of the stream itself. */
  readonly consumer?: string;
  /** Setting as the server calls it; absent for `create`. */
  readonly field?: string;
  /** What the server has. */
  readonly actual?: unknown;
  /** What it would be set to. */
  readonly wanted?: unknown;
  /** What would change and what follows from it, in a sentence. */
  readonly description: string;
}

/** Says what becomes of a setting, and how much of a change that is. */
export type Verdict = readonly [ChangeClass, string];
