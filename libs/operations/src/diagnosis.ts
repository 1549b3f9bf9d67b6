import type { ChangeClass } from '@slipstream/jetstream';
import { quantileOf, type Sample } from './metrics-text.js';
import { isPartitionOf } from './server-state.js';
import type { SystemFacts } from './system-facts.js';

export type CheckName =
  'versions' | 'database' | 'replicas' | 'sync' | 'services' | 'duplicate window' | 'ack wait' | 'drift';

/** `warning`: holds today, and something has to go wrong before it does not. `problem`: a guarantee does not hold. */
export type Verdict = 'good' | 'warning' | 'problem' | 'unknown';

/** One thing that was looked at. */
export interface Finding {
  readonly check: CheckName;
  readonly verdict: Verdict;
  /** What was found, in a sentence. */
  readonly found: string;
  /** What to do, in a sentence; empty when nothing is to be done. */
  readonly nextStep: string;
}

/** The first that has what the transport needs at all, and the first with atomic batches. */
const OLDEST_SERVER = [2, 10];
const FULL_SERVER = [2, 12];
const OLDEST_DATABASE = 150_000;
/** Fewer replicas lose their quorum with a single node. */
const SAFE_REPLICAS = 3;
/** What takes longer than this share of its limit leaves too little for a bad day. */
const SAFE_SHARE = 0.5;
const P99 = 0.99;
const MOST_NAMED = 3;
/** Streams of NATS's own stores. */
const NO_EVENTS = /^(KV|OBJ)_/;

/** Judges a system by what it says of itself. Pure. */
export function diagnose(facts: SystemFacts): Finding[] {
  return [
    ...versions(facts),
    ...database(facts),
    ...replicas(facts),
    ...sync(facts),
    ...silentServices(facts),
    ...duplicateWindows(facts),
    ...ackWaits(facts),
    ...drift(facts),
  ];
}

function versions({ serverVersion }: SystemFacts): Finding[] {
  const found = `nats-server is ${serverVersion || 'of an unknown version'}.`;
  if (isOlder(serverVersion, OLDEST_SERVER))
    return [
      finding('versions', 'problem', found, 'Update it to 2.12 or newer; 2.10 is the oldest that works.'),
    ];
  if (isOlder(serverVersion, FULL_SERVER))
    return [
      finding(
        'versions',
        'warning',
        found,
        'Update it to 2.12: without atomic batches events go out singly.',
      ),
    ];
  return [good('versions', found)];
}

function database({ database: facts }: SystemFacts): Finding[] {
  if (facts === 'unnamed')
    return [finding('database', 'unknown', 'PostgreSQL was not asked.', 'Name it with DATABASE_URL.')];
  if (facts === 'unreachable')
    return [
      finding('database', 'problem', 'PostgreSQL cannot be reached.', 'Start it, or correct DATABASE_URL.'),
    ];
  const { versionNumber, fsync, synchronousCommit } = facts;
  const version = `PostgreSQL is ${Math.trunc(versionNumber / 10_000)}`;
  const wrong: [found: string, nextStep: string][] = [];
  if (versionNumber < OLDEST_DATABASE) wrong.push([`${version}.`, 'Update it to 15 or newer.']);
  if (fsync !== 'on')
    wrong.push([`fsync is ${fsync}: a power cut can destroy the database.`, 'Set fsync = on.']);
  if (synchronousCommit === 'off')
    wrong.push([
      'synchronous_commit is off: orders that were accepted can be lost in a crash.',
      'Set synchronous_commit = on.',
    ]);
  if (wrong.length === 0) return [good('database', `${version}, and what is committed is on its disk.`)];
  return wrong.map(([found, nextStep]) => finding('database', 'problem', found, nextStep));
}

function replicas({ streams }: SystemFacts): Finding[] {
  if (streams.length === 0)
    return [
      finding('replicas', 'unknown', 'There are no streams yet.', 'Start the services, or "streams apply".'),
    ];
  const findings = streams
    .filter(({ lacking }) => lacking.length > 0)
    .map(({ name, lacking, replicas: wanted }) => {
      const found = `${name} lacks its replicas on ${lacking.join(', ')}: offline, or far behind.`;
      const hasMajority = wanted - lacking.length > wanted / 2;
      return finding('replicas', hasMajority ? 'warning' : 'problem', found, 'See to these servers.');
    });
  const few = streams.filter((stream) => stream.replicas < SAFE_REPLICAS).map(({ name }) => name);
  if (few.length > 0) {
    const found = `${naming(few)} ${few.length === 1 ? 'has' : 'have'} fewer than ${SAFE_REPLICAS} replicas: when a server is lost, messages stop or are lost.`;
    const nextStep = 'In production run three servers and set STREAM_REPLICAS=3.';
    findings.push(finding('replicas', 'warning', found, nextStep));
  }
  if (findings.length > 0) return findings;
  return [good('replicas', `All streams have ${SAFE_REPLICAS} replicas or more, none of them far behind.`)];
}

function sync({ monitor: { url, sync: facts }, streams }: SystemFacts): Finding[] {
  if (!facts) {
    const found = `No JetStream server tells when it syncs at ${url}.`;
    return [finding('sync', 'unknown', found, 'Name its monitoring with --monitor-url or NATS_MONITOR_URL.')];
  }
  if (facts.isAlways)
    return [good('sync', `Every message is on the disk before it is acknowledged, by ${url}.`)];
  const interval = seconds(facts.intervalMs);
  if (streams.length > 0 && streams.every((stream) => stream.replicas >= SAFE_REPLICAS)) {
    const found = `Messages are on other servers before they are acknowledged, and on the disk within ${interval}, by ${url}.`;
    return [good('sync', found)];
  }
  const found = `A power cut can lose what was acknowledged within the last ${interval}, by ${url}.`;
  return [finding('sync', 'warning', found, 'Set sync_interval: always, or have three replicas.')];
}

function silentServices({ services }: SystemFacts): Finding[] {
  const silent = services.filter(({ samples }) => samples === undefined);
  if (silent.length === 0) return [good('services', 'Every service that was asked has answered.')];
  return silent.map(({ url }) =>
    finding(
      'services',
      'unknown',
      `No metrics at ${url}.`,
      'Start it, or name the services with --service-urls.',
    ),
  );
}

/** Beyond its window a stream stores an event again that the relay repeats after a crash; inboxes know it then. */
function duplicateWindows({ streams, services }: SystemFacts): Finding[] {
  const windows = streams
    .filter(({ name }) => !NO_EVENTS.test(name))
    .map((stream) => stream.duplicateWindowMs);
  const windowMs = Math.min(...windows.filter((ms) => ms > 0));
  const findings = services.flatMap(({ samples = [] }) => {
    const oldest = samples.find(({ name }) => name === 'outbox_oldest_age_seconds');
    if (!oldest || windowMs === Infinity) return [];
    const p99Ms = (quantileOf(P99, named(samples, 'outbox_delay_seconds_bucket')) ?? 0) * 1_000;
    const oldestMs = oldest.value * 1_000;
    const found = `The oldest event of ${oldest.labels['service']} that waits has waited ${seconds(oldestMs)}, p99 is ${seconds(p99Ms)}; streams know ids for ${seconds(windowMs)}.`;
    if (Math.max(oldestMs, p99Ms) <= windowMs * SAFE_SHARE) return [good('duplicate window', found)];
    const nextStep = 'See why the relay is late; until it is not, duplicates are left to the inboxes.';
    // What was slow since the process started need not be slow now.
    return [finding('duplicate window', oldestMs > windowMs ? 'problem' : 'warning', found, nextStep)];
  });
  if (findings.length > 0) return findings;
  return [finding('duplicate window', 'unknown', 'No service has told of an outbox.', '')];
}

/** The wait of what is handled is extended, but not by a process that hangs: then another one begins beside it. */
function ackWaits({ consumers, services }: SystemFacts): Finding[] {
  const samples = services.flatMap((service) => service.samples ?? []);
  const durations = named(samples, 'jetstream_handler_duration_seconds_bucket');
  if (durations.length === 0)
    return [finding('ack wait', 'unknown', 'No service has told of a message it has handled.', '')];
  const slow = consumers.flatMap(({ stream, name, ackWaitMs }) => {
    // What is measured has the name of the durable, also where it is divided.
    const own = durations.filter(
      ({ labels }) => labels['stream'] === stream && isPartitionOf(name, labels['consumer'] ?? ''),
    );
    const p99Ms = (quantileOf(P99, own) ?? 0) * 1_000;
    if (p99Ms <= ackWaitMs * SAFE_SHARE) return [];
    const found = `One in a hundred messages of ${name} on ${stream} takes about ${seconds(p99Ms)} or more, where the ack wait is ${seconds(ackWaitMs)}.`;
    return [finding('ack wait', 'warning', found, 'Make its handler faster, or its ackWaitMs longer.')];
  });
  if (slow.length > 0) return slow;
  return [good('ack wait', 'The p99 of every handler that was heard of is below half of its ack wait.')];
}

const DRIFT: readonly (readonly [ChangeClass, Verdict, string])[] = [
  ['refused', 'problem', 'See "streams plan": it would delete data, or cannot be done to what exists.'],
  ['needs-migration', 'warning', 'See "streams plan", with the STREAM_ variables of the services.'],
  [
    'safe',
    'warning',
    'See "streams plan", then "streams apply", with the STREAM_ variables of the services.',
  ],
];

function drift({ drift: changes }: SystemFacts): Finding[] {
  if ('failure' in changes) {
    const found = `The server could not tell of all streams: ${changes.failure}`;
    return [finding('drift', 'problem', found, 'See whether a majority of its servers run.')];
  }
  if (changes.length === 0) return [good('drift', 'Streams and consumers are as declared.')];
  return DRIFT.flatMap(([changeClass, verdict, nextStep]) => {
    const [first, ...others] = changes.filter((change) => change.class === changeClass);
    if (!first) return [];
    const found = first.description + (others.length > 0 ? `; and ${others.length} more` : '');
    return [finding('drift', verdict, `${found} (${changeClass}).`, nextStep)];
  });
}

function good(check: CheckName, found: string): Finding {
  return { check, verdict: 'good', found, nextStep: '' };
}

function finding(check: CheckName, verdict: Verdict, found: string, nextStep: string): Finding {
  return { check, verdict, found, nextStep };
}

function named(samples: readonly Sample[], wanted: string): Sample[] {
  return samples.filter(({ name }) => name === wanted);
}

function isOlder(version: string, [major = 0, minor = 0]: readonly number[]): boolean {
  const [isMajor = 0, isMinor = 0] = version.split('.').map(Number);
  return isMajor < major || (isMajor === major && isMinor < minor);
}

function seconds(ms: number): string {
  if (ms === Infinity) return 'longer than is measured';
  return `${Number((ms / 1_000).toPrecision(2))} s`;
}

function naming(names: readonly string[]): string {
  const rest = names.length - MOST_NAMED;
  return names.slice(0, MOST_NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
