import { randomBytes } from 'node:crypto';

/** Of hexadecimal digits. */
const TRACE_ID_LENGTH = 32;
const SPAN_ID_LENGTH = 16;
/** Drawn at once: random bytes, and their conversion, cost by the call. */
const DRAWN_BYTES = 8_192;
let drawn = '';
let used = 0;
let derived: string | undefined;

/** 16 random bytes, hexadecimal. */
export function randomTraceId(): string {
  return draw(TRACE_ID_LENGTH);
}

/** 8 random bytes, hexadecimal. */
export function randomSpanId(): string {
  return draw(SPAN_ID_LENGTH);
}

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

function draw(length: number): string {
  if (used + length > drawn.length) {
    drawn = randomBytes(DRAWN_BYTES).toString('hex');
    used = 0;
  }
  used += length;
  return drawn.slice(used - length, used);
}
