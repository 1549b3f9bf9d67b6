let derived: string | undefined;

/**
 * Calls `start`, which starts a span without a parent, so that its trace has the id `traceId` instead of a random one:
 * several processes that begin with the same thing then agree on its trace, and on whether it is sampled.
 */
export function startTracedBy<T>(traceId: string, start: () => T): T {
  derived = traceId;
  try {
    return start();
  } finally {
    derived = undefined;
  }
}

/** For the generator of trace ids: the one that was asked for, once. */
export function takeTraceId(): string | undefined {
  const id = derived;
  derived = undefined;
  return id;
}
