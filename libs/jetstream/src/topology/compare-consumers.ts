import type { ConsumerConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
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
    .map((field) => {
      const [changeClass, text] = judge(field, known[field], wanted[field]);
      return {
        class: changeClass,
        action: 'update',
        stream,
        consumer,
        field,
        actual: known[field],
        wanted: wanted[field],
        description: `consumer ${consumer} on ${stream}: ${text}`,
      } satisfies TopologyChange;
    });
}

function judge(field: keyof ConsumerConfig, actual: unknown, wanted: unknown): Verdict {
  if (FIXED.includes(field)) {
    return [
      'refused',
      `${field} ${JSON.stringify(actual) ?? 'unset'} cannot become ${JSON.stringify(wanted)}; give it another name, or ` +
        'delete it and accept that it starts anew',
    ];
  }
  if (field === 'filter_subjects') return ['safe', describeFilters(actual as string[], wanted as string[])];
  if (field === 'ack_wait') {
    return ['safe', `ack wait ${ageInWords(Number(actual ?? nanos(0)))} → ${ageInWords(Number(wanted))}`];
  }
  return ['safe', `${field} ${JSON.stringify(actual) ?? 'unset'} → ${JSON.stringify(wanted)}`];
}

function describeFilters(actual: readonly string[], wanted: readonly string[]): string {
  const added = wanted.filter((subject) => !actual.includes(subject));
  const removed = actual.filter((subject) => !wanted.includes(subject));
  const parts = [
    added.length > 0 && `also reads ${added.join(', ')}, from its present position on`,
    removed.length > 0 && `no longer reads ${removed.join(', ')}`,
  ];
  return parts.filter(Boolean).join('; ');
}

function withFilters(config: ConsumerConfig): ConsumerConfig {
  return { ...config, filter_subjects: filtersOf(config) };
}

function filtersOf({ filter_subject: single, filter_subjects: several }: Partial<ConsumerConfig>): string[] {
  return several ?? (single === undefined ? [] : [single]);
}
