import {
  context,
  createContextKey,
  trace,
  type Attributes,
  type Context,
  type Link,
  type Tracer,
} from '@opentelemetry/api';
import { contextOf } from './carried-context.js';

/** One of several things that are worked on at once, each of a trace of its own. */
export interface Member {
  readonly isRecorded: boolean;
  readonly context: Context;
  /** What its results are known by, such as the id of the order it is about. */
  readonly keys: readonly string[];
}

/** What shared work is recorded as. */
export interface SharedSpan {
  readonly tracer: Tracer;
  readonly name: string;
  readonly attributes?: Attributes;
}

const SHARED = createContextKey('shared work');

class SharedWork {
  private byKey: ReadonlyMap<string, Member> | undefined;

  constructor(private readonly members: readonly Member[]) {}

  find(key: string): Context | undefined {
    // Most shared work, such as that of an audit log, is never asked.
    this.byKey ??= indexOf(this.members);
    return this.byKey.get(key)?.context;
  }
}

function indexOf(members: readonly Member[]): Map<string, Member> {
  const byKey = new Map<string, Member>();
  for (const member of members) for (const key of member.keys) byKey.set(key, member);
  return byKey;
}

/**
 * Does one piece of work for several traces. What is recorded meanwhile goes into the trace of the first member that is
 * recorded, under a span that links the others, and theirs link it; `contextFor` tells the traces apart again.
 */
export function runTogether<T>(
  members: readonly Member[],
  span: SharedSpan,
  work: () => Promise<T>,
): Promise<T> {
  const [first] = members;
  if (!first) return work();
  if (members.length === 1) return context.with(first.context, work);
  const recorded = members.filter(({ isRecorded }) => isRecorded);
  const [host = first] = recorded;
  const inside = host.context.setValue(SHARED, new SharedWork(members));
  return recorded.length === 0 ? context.with(inside, work) : runRecorded(inside, recorded, span, work);
}

/**
 * The context of what results from shared work: that of the member known by `key`, or the active one when there is none
 * or nothing is shared.
 */
export function contextFor(key: string): Context {
  const active = context.active();
  const shared = active.getValue(SHARED) as SharedWork | undefined;
  return shared?.find(key) ?? active;
}

async function runRecorded<T>(
  inside: Context,
  recorded: readonly Member[],
  { tracer, name, attributes = {} }: SharedSpan,
  work: () => Promise<T>,
): Promise<T> {
  const links = recorded.flatMap((member) => linkTo(member.context));
  const span = tracer.startSpan(name, { attributes, links }, inside);
  const link: Link = { context: span.spanContext() };
  for (const member of recorded.slice(1)) trace.getSpan(member.context)?.addLink(link);
  try {
    return await context.with(contextOf(span, inside), work);
  } finally {
    span.end();
  }
}

function linkTo(of: Context): Link[] {
  const spanContext = trace.getSpanContext(of);
  return spanContext ? [{ context: spanContext }] : [];
}
