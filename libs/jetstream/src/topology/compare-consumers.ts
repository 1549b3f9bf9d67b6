import type { ConsumerConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { covers, overlaps } from '../subject.js';
import type { TopologyChange, Verdict } from './change.js';
import { isSame } from './consumer-config.js';
import { ageInWords } from './words.js';

/** A durable consumer as it is declared. */
export interface ConsumerSettings {
  readonly stream: string;
  readonly config: Partial<ConsumerConfig> & { readonly durable_name: string };
}

/** What the server decides once, when it creates a consumer. */
const FIXED: readonly (keyof ConsumerConfig)[] = [
  'ack_policy',
  'deliver_policy',
  'opt_start_seq',
  'opt_start_time',
  'replay_policy',
  'deliver_subject',
  'deliver_group',
];

/** Lists what would have to change on the server for a consumer to be as declared. */
export function compareConsumer(
  actual: ConsumerConfig | undefined,
  { stream, config }: ConsumerSettings,
): TopologyChange[] {
  const consumer = config.durable_name;
  if (!actual) {
    const filters = filtersOf(config).join(', ');
    const description = `consumer ${consumer} is created on ${stream} for ${filters || 'every subject'}`;
    return [{ class: 'safe', action: 'create', stream, consumer, description }];
  }
  // A consumer with a subject to deliver to is of another kind than one without, which declares none.
  const wanted: Partial<ConsumerConfig> = { deliver_subject: '', ...config };
  const known: ConsumerConfig = { deliver_subject: '', ...withFilters(actual) };
  return (Object.keys(wanted) as (keyof ConsumerConfig)[])
    .filter((field) => wanted[field] !== undefined && !isSame(known[field], wanted[field]))
    .flatMap((field) => steps(field, known[field], wanted[field]).map((step) => ({ field, ...step })))
    .map(({ verdict: [changeClass, text], ...step }) => ({
      class: changeClass,
      action: 'update',
      stream,
      consumer,
      ...step,
      description: `consumer ${consumer} on ${stream}: ${text}`,
    }));
}

/** One change of a setting. Where there are two, the second begins with what the first one leaves. */
interface Step {
  readonly actual: unknown;
  readonly wanted: unknown;
  readonly verdict: Verdict;
}

function steps(field: keyof ConsumerConfig, actual: unknown, wanted: unknown): Step[] {
  if (field === 'filter_subjects') return filterSteps(actual as string[], wanted as string[]);
  return [{ actual, wanted, verdict: judge(field, actual, wanted) }];
}

function judge(field: keyof ConsumerConfig, actual: unknown, wanted: unknown): Verdict {
  if (FIXED.includes(field)) {
    return [
      'refused',
      `${field} ${JSON.stringify(actual) ?? 'unset'} cannot become ${JSON.stringify(wanted)}; give it another name, or ` +
        'delete it and accept that it starts anew',
    ];
  }
  if (field === 'ack_wait') {
    return ['safe', `ack wait ${ageInWords(Number(actual ?? nanos(0)))} → ${ageInWords(Number(wanted))}`];
  }
  return ['safe', `${field} ${JSON.stringify(actual) ?? 'unset'} → ${JSON.stringify(wanted)}`];
}

/**
 * What a consumer is also to read is safe. What it is to read no more is not: its position moves past messages there, and
 * another version of the service, which may handle them, never gets them.
 */
function filterSteps(actual: readonly string[], wanted: readonly string[]): Step[] {
  const only = `reads only ${wanted.join(', ')}`;
  // No version of a service reads everything: somebody made it by hand for the declaration to complete.
  if (actual.length === 0) return [{ actual, wanted, verdict: ['safe', only] }];
  const dropped = notCovered(actual, wanted).join(', ');
  const less: Verdict = [
    'needs-migration',
    `${only}; what waits for it on ${dropped} is passed over for good`,
  ];
  const union = unite(actual, wanted);
  if (!union) return [{ actual, wanted, verdict: less }];
  const added = notCovered(union, actual).join(', ');
  const more: Verdict = ['safe', `also reads ${added}, from its present position on`];
  return [
    ...(isSame(actual, union) ? [] : [{ actual, wanted: union, verdict: more }]),
    ...(isSame(union, wanted) ? [] : [{ actual: union, wanted, verdict: less }]),
  ];
}

/** The fewest filters for all that either lets through; undefined when some overlap, which the server refuses. */
function unite(some: readonly string[], others: readonly string[]): string[] | undefined {
  const all = [...new Set([...some, ...others])].toSorted();
  const united = all.filter((one) => !all.some((other) => other !== one && covers(other, one)));
  const isRefused = united.some((one) => united.some((other) => one !== other && overlaps(one, other)));
  return isRefused ? undefined : united;
}

/** Filters that let through what none of the others does. */
export function notCovered(filters: readonly string[], others: readonly string[]): string[] {
  return filters.filter((one) => !others.some((other) => covers(other, one)));
}

function withFilters(config: ConsumerConfig): ConsumerConfig {
  return { ...config, filter_subjects: filtersOf(config) };
}

function filtersOf({ filter_subject: single, filter_subjects: several }: Partial<ConsumerConfig>): string[] {
  return several ?? (single === undefined ? [] : [single]);
}
