import {
  INVALID_SPANID,
  INVALID_TRACEID,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
  type Context,
  type Span,
  type SpanContext,
} from '@opentelemetry/api';
import { randomSpanId } from './trace-ids.js';

/** As in W3C Trace Context, version 00: `00-<trace id>-<span id>-<flags>`. */
const LENGTH = 55;
const VALID = /^00-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-00$/;
const SPAN_KEY = keyOfSpans();

/** What the sampler of this process does about spans, as far as it can be told before there is one. */
export interface Sampling {
  /**
   * False with samplers such as `always_on`, which record what whoever began the trace did not want recorded, and where
   * traces are not carried on by `traceparent`.
   */
  readonly heedsParents: boolean;
  /** Whether a trace with this id is recorded when it begins here. */
  readonly recordsRoot: (traceId: string) => boolean;
  /** True where a trace without state or baggage is carried on by a `traceparent` and by nothing else. */
  readonly carriesTraceparent: boolean;
}

let sampling: Sampling = { heedsParents: true, recordsRoot: () => true, carriesTraceparent: false };

export function followSampler(sampler: Sampling): void {
  sampling = sampler;
}

/**
 * A trace that nobody records, as the context that is carried on. Nearly all are like that, and each request and message
 * has one: a span of the SDK, and a context with a map to hold it, would cost several times as much.
 */
export class UnrecordedTrace implements Context, SpanContext {
  private placeholder: Span | undefined;

  private constructor(
    private readonly traceparent: string,
    /** Looked at when somebody asks. */
    private validity?: boolean,
  ) {}

  /**
   * The trace of a message that came with it.
   * @returns undefined for what may be recorded, and for what has not the form of a `traceparent`. One whose ids are not
   * valid is no trace to whoever asks: the context is empty, and the ids are OpenTelemetry's invalid ones.
   */
  static read(traceparent: string | undefined): UnrecordedTrace | undefined {
    return traceparent !== undefined && sampling.heedsParents && isUnsampled(traceparent)
      ? new UnrecordedTrace(traceparent)
      : undefined;
  }

  /**
   * A trace that begins here.
   * @returns undefined for what the sampler records: that must begin with a span, by `startTracedBy` with the same id
   */
  static begin(traceId: string): UnrecordedTrace | undefined {
    return sampling.recordsRoot(traceId)
      ? undefined
      : new UnrecordedTrace(`00-${traceId}-${randomSpanId()}-00`, true);
  }

  get traceId(): string {
    return this.isValid ? this.traceparent.slice(3, 35) : INVALID_TRACEID;
  }

  get spanId(): string {
    return this.isValid ? this.traceparent.slice(36, 52) : INVALID_SPANID;
  }

  get traceFlags(): number {
    return TraceFlags.NONE;
  }

  get context(): Context {
    return this;
  }

  get isRecorded(): boolean {
    return false;
  }

  /** False when it came with ids that are none. */
  get isValid(): boolean {
    this.validity ??= VALID.test(this.traceparent);
    return this.validity;
  }

  /** The headers by which others continue it; undefined where OpenTelemetry must be asked for them. */
  get headers(): Record<string, string> | undefined {
    return this.isValid && sampling.carriesTraceparent ? { traceparent: this.traceparent } : undefined;
  }

  getValue(key: symbol): unknown {
    return key === SPAN_KEY ? this.currentSpan : undefined;
  }

  setValue(key: symbol, value: unknown): Context {
    return this.copy().setValue(key, value);
  }

  deleteValue(key: symbol): Context {
    return this.copy().deleteValue(key);
  }

  private get currentSpan(): Span | undefined {
    if (!this.isValid) return undefined;
    this.placeholder ??= trace.wrapSpanContext(this);
    return this.placeholder;
  }

  private copy(): Context {
    return this.currentSpan ? trace.setSpan(ROOT_CONTEXT, this.currentSpan) : ROOT_CONTEXT;
  }
}

/** The form alone: to look at every character would take ten times as long. */
function isUnsampled(text: string): boolean {
  return text.length === LENGTH && text.endsWith('-00') && text.startsWith('00-');
}

/** OpenTelemetry does not say by which key a context holds its span, but asks for it. */
function keyOfSpans(): symbol | undefined {
  let asked: symbol | undefined;
  const probe: Context = {
    getValue: (key) => void (asked = key),
    setValue: () => probe,
    deleteValue: () => probe,
  };
  trace.getSpan(probe);
  return asked;
}
