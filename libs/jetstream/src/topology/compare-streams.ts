import type { StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { covers, overlaps } from '../subject.js';
import type { TopologyChange, Verdict } from './change.js';
import { isSame } from './consumer-config.js';
import type { StreamSettings } from './stream-config.js';
import { ageInWords, bytesInWords, inWords } from './words.js';

/** What is known of a stream on the server. */
export type ActualStream = Pick<StreamInfo, 'config' | 'state'>;

type Judge = (actual: ActualStream, wanted: StreamSettings) => Verdict;

/** Lists what would have to change on the server for a stream to be as declared. */
export function compareStream(actual: ActualStream | undefined, wanted: StreamSettings): TopologyChange[] {
  const stream = wanted.name;
  if (!actual) {
    const description = `stream ${stream} is created for ${wanted.subjects.join(', ')}`;
    return [{ class: 'safe', action: 'create', stream, description }];
  }
  const changes = (Object.keys(wanted) as (keyof StreamSettings)[])
    .filter((field) => field !== 'subjects' && !isSame(actual.config[field], wanted[field]))
    .map((field) => compareField(field, actual, wanted));
  return [...compareSubjects(actual.config, wanted), ...changes];
}

function compareField(
  field: keyof StreamSettings,
  actual: ActualStream,
  wanted: StreamSettings,
): TopologyChange {
  const [changeClass, text] = (judges[field] ?? judgeUnknown)(actual, wanted);
  return {
    class: changeClass,
    action: 'update',
    stream: wanted.name,
    field,
    actual: actual.config[field],
    wanted: wanted[field],
    description: `stream ${wanted.name}: ${text}`,
  };
}

const judges: Partial<Record<keyof StreamSettings, Judge>> = {
  storage: ({ config }, { storage }) => [
    'refused',
    `is stored in ${config.storage} and cannot be moved to ${storage}; create another stream and copy the messages`,
  ],
  retention: ({ config }, { retention }) => [
    'refused',
    `its retention is ${config.retention}; as ${retention} it would keep other messages than its consumers count on`,
  ],
  discard: ({ config }, { discard }) => [
    'needs-migration',
    `a full stream discards ${discard} messages instead of ${config.discard} ones, so publishers may be refused`,
  ],
  max_age: judgeAge,
  max_bytes: judgeBytes,
  num_replicas: ({ config }, { num_replicas: replicas = 1 }) =>
    replicas > config.num_replicas
      ? ['safe', `replicas ${config.num_replicas} → ${replicas}`]
      : ['needs-migration', `replicas ${config.num_replicas} → ${replicas}, so it survives fewer failures`],
  duplicate_window: ({ config }, { duplicate_window: window = 0 }) => {
    const text = `duplicate window ${ageInWords(config.duplicate_window)} → ${ageInWords(window)}`;
    return window > config.duplicate_window
      ? ['safe', text]
      : ['needs-migration', `${text}; a publish that is repeated later than that is stored twice`];
  },
  allow_atomic: () => ['safe', 'allows atomic batches'],
  allow_direct: () => ['safe', 'allows direct reads'],
};

function judgeUnknown(): Verdict {
  return ['refused', 'differs in a setting this version does not know how to change'];
}

function judgeAge({ config, state }: ActualStream, { max_age: wanted = 0 }: StreamSettings): Verdict {
  const text = `max age ${ageInWords(config.max_age)} → ${ageInWords(wanted)}`;
  if (wanted === 0 || (config.max_age > 0 && wanted > config.max_age)) return ['safe', text];
  const oldestMs = state.messages > 0 ? Date.now() - Date.parse(state.first_ts) : 0;
  return oldestMs * 1e6 >= wanted
    ? [
        'refused',
        `${text} would delete messages: the oldest is ${inWords(Math.floor(oldestMs / 1e3) * 1e3)} old`,
      ]
    : ['needs-migration', `${text} deletes nothing now, and messages earlier than before`];
}

function judgeBytes({ config, state }: ActualStream, { max_bytes: wanted = -1 }: StreamSettings): Verdict {
  const text = `max bytes ${bytesInWords(config.max_bytes)} → ${bytesInWords(wanted)}`;
  if (wanted <= 0 || (config.max_bytes > 0 && wanted > config.max_bytes)) return ['safe', text];
  return state.bytes > wanted
    ? ['refused', `${text} is less than the ${state.bytes} bytes it holds`]
    : ['needs-migration', `${text}; a full stream refuses new messages`];
}

/** Subjects are added and never taken away: nobody knows here who publishes on those that are not declared. */
function compareSubjects(config: StreamConfig, { name, subjects }: StreamSettings): TopologyChange[] {
  const base = { action: 'update', stream: name, field: 'subjects', actual: config.subjects } as const;
  const added = subjects.filter((subject) => !config.subjects.some((held) => covers(held, subject)));
  const foreign = config.subjects.filter((held) => !subjects.some((subject) => covers(subject, held)));
  const clashing = config.subjects.filter((held) => added.some((subject) => overlaps(subject, held)));
  const changes: TopologyChange[] = [];
  if (added.length > 0 && clashing.length > 0) {
    changes.push({
      ...base,
      class: 'refused',
      wanted: subjects,
      description: `stream ${name}: ${added.join(', ')} overlaps with ${clashing.join(', ')}, which it holds`,
    });
  } else if (added.length > 0) {
    const wanted = [...config.subjects, ...added];
    changes.push({
      ...base,
      class: 'safe',
      wanted,
      description: `stream ${name}: also holds ${added.join(', ')}`,
    });
  }
  if (foreign.length > 0) {
    const description =
      `stream ${name}: holds ${foreign.join(', ')}, which nobody declares here; ` +
      'it stays until somebody who knows its publishers takes it away';
    changes.push({ ...base, class: 'refused', wanted: subjects, description });
  }
  return changes;
}
