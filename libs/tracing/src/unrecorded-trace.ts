import { ROOT_CONTEXT, trace, TraceFlags, type Context } from '@opentelemetry/api';

/** As in W3C Trace Context, version 00: `00-<trace id>-<span id>-<flags>`. */
const LENGTH = 55;
const DASH = 45;
const ZERO = 48;

let areParentsHeeded = true;

/** Samplers that are not based on parents, such as `always_on`, record what whoever began the trace did not want recorded. */
export function heedParents(isHeeded: boolean): void {
  areParentsHeeded = isHeeded;
}

/**
 * A trace that nobody records, because whoever began it has decided so, as the context that is carried on. Nearly all are
 * like that, so the context is made when somebody asks it for something.
 */
export class UnrecordedTrace implements Context {
  private carried: Context | undefined;

  private constructor(private readonly traceparent: string) {}

  /** @returns undefined for what may be recorded, and for what is no `traceparent` */
  static read(traceparent: string | undefined): UnrecordedTrace | undefined {
    return traceparent !== undefined && areParentsHeeded && isUnsampled(traceparent)
      ? new UnrecordedTrace(traceparent)
      : undefined;
  }

  get traceId(): string {
    return this.traceparent.slice(3, 35);
  }

  get spanId(): string {
    return this.traceparent.slice(36, 52);
  }

  get context(): Context {
    return this;
  }

  get isRecorded(): boolean {
    return false;
  }

  getValue(key: symbol): unknown {
    return this.resolve().getValue(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return this.resolve().setValue(key, value);
  }

  deleteValue(key: symbol): Context {
    return this.resolve().deleteValue(key);
  }

  private resolve(): Context {
    const { traceId, spanId } = this;
    this.carried ??= trace.setSpanContext(ROOT_CONTEXT, {
      traceId,
      spanId,
      traceFlags: TraceFlags.NONE,
      isRemote: true,
    });
    return this.carried;
  }
}

/** A regular expression for all of it takes several times as long, which every message would pay. */
function isUnsampled(text: string): boolean {
  if (text.length !== LENGTH || text.charCodeAt(LENGTH - 1) !== ZERO || text.charCodeAt(LENGTH - 2) !== ZERO)
    return false;
  if (!text.startsWith('00-') || text.charCodeAt(35) !== DASH || text.charCodeAt(52) !== DASH) return false;
  return isId(text, 3, 35) && isId(text, 36, 52);
}

/** Hexadecimal digits in lower case, of which one at least is not 0. */
function isId(text: string, from: number, to: number): boolean {
  let isZero = true;
  for (let index = from; index < to; index++) {
    const code = text.charCodeAt(index);
    const isDigit = (code >= ZERO && code <= ZERO + 9) || (code >= 97 && code <= 102);
    if (!isDigit) return false;
    if (code !== ZERO) isZero = false;
  }
  return !isZero;
}
