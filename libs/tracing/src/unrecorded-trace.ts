import {
  INVALID_SPANID,
  INVALID_TRACEID,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
  type Context,
} from '@opentelemetry/api';

/** As in W3C Trace Context, version 00: `00-<trace id>-<span id>-<flags>`. */
const LENGTH = 55;
const VALID = /^00-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-00$/;

let areParentsHeeded = true;

/** Samplers that are not based on parents, such as `always_on`, record what whoever began the trace did not want recorded. */
export function heedParents(isHeeded: boolean): void {
  areParentsHeeded = isHeeded;
}

/**
 * A trace that nobody records, because whoever began it has decided so, as the context that is carried on. Nearly all are
 * like that, and each message has one, so what is in it is looked at when somebody asks.
 */
export class UnrecordedTrace implements Context {
  private carried: Context | undefined;
  private validity: boolean | undefined;

  private constructor(private readonly traceparent: string) {}

  /**
   * @returns undefined for what may be recorded, and for what has not the form of a `traceparent`. One whose ids are not
   * valid is no trace to whoever asks: the context is empty, and the ids are OpenTelemetry's invalid ones.
   */
  static read(traceparent: string | undefined): UnrecordedTrace | undefined {
    return traceparent !== undefined && areParentsHeeded && isUnsampled(traceparent)
      ? new UnrecordedTrace(traceparent)
      : undefined;
  }

  get traceId(): string {
    return this.isValid ? this.traceparent.slice(3, 35) : INVALID_TRACEID;
  }

  get spanId(): string {
    return this.isValid ? this.traceparent.slice(36, 52) : INVALID_SPANID;
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

  private get isValid(): boolean {
    this.validity ??= VALID.test(this.traceparent);
    return this.validity;
  }

  private resolve(): Context {
    this.carried ??= this.isValid ? this.carriedOn() : ROOT_CONTEXT;
    return this.carried;
  }

  private carriedOn(): Context {
    const { traceId, spanId } = this;
    return trace.setSpanContext(ROOT_CONTEXT, {
      traceId,
      spanId,
      traceFlags: TraceFlags.NONE,
      isRemote: true,
    });
  }
}

/** The form alone: to look at every character would take ten times as long. */
function isUnsampled(text: string): boolean {
  return text.length === LENGTH && text.endsWith('-00') && text.startsWith('00-');
}
