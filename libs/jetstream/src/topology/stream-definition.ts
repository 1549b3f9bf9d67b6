/** A stream by what its users agree on. Storage, discard and window settings are the library's. */
export interface StreamDefinition {
  /** Upper-case name, such as `ORDERS`. */
  readonly name: string;
  readonly subjects: readonly string[];
  /** Subject of the dead letters of this stream; its stream is named `<name>_DLQ`. */
  readonly deadLetterSubject: string;
}
