/** A stream by what its users agree on. Storage, discard and window settings are the library's. */
export interface StreamDefinition {
  /** Upper-case name, such as `ORDERS`. */
  readonly name: string;
  /** Subject patterns it holds, `*` and a trailing `>` included; no two streams may share a subject. */
  readonly subjects: readonly string[];
  /** Subject of the dead letters of this stream; its stream is named `<name>_DLQ`. */
  readonly deadLetterSubject: string;
  /** Overrides what the application sets for all of its streams. */
  readonly limits?: StreamLimits;
}

/** How much a stream keeps. Its dead letters and the records of operators are not limited by it. */
export interface StreamLimits {
  /**
   * Milliseconds after which the stream forgets a message, whether or not it was consumed: longer than the longest
   * outage anybody wants to survive.
   * @default unlimited
   */
  readonly maxAgeMs?: number | undefined;
  /**
   * Bytes beyond which the stream refuses new messages.
   * @default unlimited
   */
  readonly maxBytes?: number | undefined;
}

/** Name of the stream that holds the dead letters of a stream. */
export function deadLetterStream(stream: string): string {
  return `${stream}_DLQ`;
}
