import { JetStreamError } from '../errors.js';

/** A stream or consumer on the server is not what the code declares, and a start must not change it. */
export class TopologyMismatchError extends JetStreamError {
  readonly code = 'JS_TOPOLOGY_MISMATCH';
}

/**
 * Something this process needs is missing on the server, or its user may not use it. Raised at start in `bind` mode,
 * where nothing is created.
 */
export class TopologyUnavailableError extends JetStreamError {
  readonly code = 'JS_TOPOLOGY_UNAVAILABLE';

  constructor(
    /** What is missing or not permitted, in words. */
    problem: string,
    /** Subject that has to be permitted, when that is the problem. */
    readonly subject?: string,
    options?: ErrorOptions,
  ) {
    super(problem, options);
  }
}
