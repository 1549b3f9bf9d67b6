import { ATTEMPT_BUCKET, BIND_KEY } from '../connection.js';
import { deliverSubjectOf, isEphemeral } from '../delivery-options.js';
import { sweeperPlan } from '../server/advisory-sweeper.js';
import { serverPlans } from '../server/keyed-plan.js';
import { redrivePlan } from '../server/redrive.js';
import type { ConsumerPlan } from '../server/routes.js';
import { covers, matches } from '../subject.js';
import { plansOf, type ServiceDeclaration, type TopologyDeclaration } from './declaration.js';
import { deadLetterStream, type StreamDefinition } from './stream-definition.js';

/** What a NATS user may do, as the server's configuration says it. What is not allowed is denied. */
export interface Permissions {
  readonly publish: { readonly allow: readonly string[]; readonly deny?: readonly string[] };
  readonly subscribe: { readonly allow: readonly string[] };
}

const API = '$JS.API';
const ATTEMPTS = `$KV.${ATTEMPT_BUCKET}`;
const DIRECT_ATTEMPTS = `${API}.DIRECT.GET.KV_${ATTEMPT_BUCKET}.${ATTEMPTS}`;

/** Subjects of the server that say what there is. */
const LOOKUPS = ['INFO', 'STREAM.NAMES', 'STREAM.LIST', 'STREAM.INFO.*', 'CONSUMER.INFO.*.*'];

/** The subject that answers of a role come to. */
export function inboxOf(role: string): string {
  return `_INBOX_${role}.>`;
}

/**
 * All that a service needs which binds to what is there: publish its events, pull and settle its own durables, count
 * attempts, write dead letters. It can create, change and delete nothing.
 * @throws InvalidHandlerError when its handlers cannot work
 */
export function servicePermissions(
  service: ServiceDeclaration,
  streams: readonly StreamDefinition[],
): Permissions {
  const plans = plansOf(service, streams).filter(({ options }) => !isEphemeral(options));
  const sweeps = service.overseesStreams ? streams.map((stream) => sweeperPlan(stream)) : [];
  const read = service.overseesStreams ? streams : plans.map(({ stream }) => stream);
  const own = [...plans.flatMap(serverPlans), ...plans.map((plan) => redrivePlan(plan))];
  const consumers = [...own, ...sweeps];
  const storage = service.storage?.({ replicas: 1, now: new Date(), environment: {} });
  return {
    publish: {
      allow: distinct([
        ...(service.publishes ?? []).map(({ subject }) => subject),
        ...read.map(({ deadLetterSubject }) => deadLetterSubject),
        ...consumers.flatMap(consuming),
        ...own.map((plan) => `${API}.CONSUMER.INFO.${nameOf(plan)}`),
        ...plans.map(({ stream }) => `${API}.STREAM.INFO.${stream.name}`),
        ...[...plans, ...sweeps].flatMap(counting),
        ...(plans.length > 0 ? counted(BIND_KEY) : []),
        ...publishing(service, streams),
        ...(service.overseesStreams ? overseeing(streams) : []),
        ...(storage?.publish ?? []),
      ]),
      ...(storage?.mustNotPublish ? { deny: distinct(storage.mustNotPublish) } : {}),
    },
    subscribe: { allow: distinct([inboxOf(service.name), ...plans.flatMap(listening)]) },
  };
}

/** What `streams apply` needs. It can take nothing away: no stream, no consumer, no message. */
export function provisionerPermissions(name: string, { consumers }: TopologyDeclaration): Permissions {
  const creating = consumers.flatMap(({ stream, config }) => {
    const consumer = `${stream}.${config.durable_name}`;
    return [
      `${API}.CONSUMER.CREATE.${consumer}`,
      `${API}.CONSUMER.CREATE.${consumer}.>`,
      `${API}.CONSUMER.DURABLE.CREATE.${consumer}`,
    ];
  });
  const changing = ['STREAM.CREATE.*', 'STREAM.UPDATE.*'];
  return {
    publish: { allow: [...[...LOOKUPS, ...changing].map((subject) => `${API}.${subject}`), ...creating] },
    subscribe: { allow: [inboxOf(name)] },
  };
}

/**
 * What the command line and the console need: read every stream, redrive, discard, replay, pause. An operator publishes no
 * event, changes no stream, and touches no declared durable but to pause it.
 */
export function operatorPermissions(
  name: string,
  { consumers }: TopologyDeclaration,
  streams: readonly StreamDefinition[],
): Permissions {
  const letters = streams.map((stream) => `STREAM.MSG.DELETE.${deadLetterStream(stream.name)}`);
  // Reading goes through consumers that remember nothing, whose names nobody knows beforehand.
  const reading = ['CONSUMER.CREATE.*.>', 'CONSUMER.MSG.NEXT.*.*', 'CONSUMER.DELETE.*.*'];
  const looking = ['STREAM.MSG.GET.*', 'CONSUMER.NAMES.*', 'CONSUMER.LIST.*', 'CONSUMER.PAUSE.*.*'];
  const durables = consumers.map(({ stream, config }) => `${stream}.${config.durable_name}`);
  return {
    publish: {
      allow: [
        'operations.redrive.>',
        'operations.discard.>',
        ...[...LOOKUPS, ...looking, ...reading, ...letters].map((subject) => `${API}.${subject}`),
      ],
      deny: durables.flatMap((durable) => [
        `${API}.CONSUMER.CREATE.${durable}`,
        `${API}.CONSUMER.CREATE.${durable}.>`,
        `${API}.CONSUMER.MSG.NEXT.${durable}`,
        `${API}.CONSUMER.DELETE.${durable}`,
      ]),
    },
    subscribe: { allow: [inboxOf(name)] },
  };
}

function nameOf({ stream, options }: ConsumerPlan): string {
  return `${stream.name}.${options.durable}`;
}

/** The server may send the longer form of ack subjects, which names domain and account first. */
function consuming(plan: ConsumerPlan): string[] {
  const name = nameOf(plan);
  const settling = [`$JS.ACK.${name}.>`, `$JS.ACK.*.*.${name}.>`];
  if (plan.options.delivery === 'push') return settling;
  const unpinning = plan.options.orderBy ? [`${API}.CONSUMER.UNPIN.${name}`] : [];
  return [`${API}.CONSUMER.MSG.NEXT.${name}`, ...settling, ...unpinning];
}

function listening({ stream, options }: ConsumerPlan): string[] {
  return options.delivery === 'push' ? [deliverSubjectOf(stream.name, options)] : [];
}

/** Attempts are counted by stream and durable, so no service can touch the counts of another. */
function counting(plan: ConsumerPlan): string[] {
  return [plan, ...serverPlans(plan)].flatMap((counter) => counted(`${nameOf(counter)}.>`));
}

function counted(key: string): string[] {
  return [`${ATTEMPTS}.${key}`, `${DIRECT_ATTEMPTS}.${key}`];
}

/** Atomic batches need to know the stream, and the outbox looks up whether it still holds what was confirmed. */
function publishing({ publishes = [] }: ServiceDeclaration, streams: readonly StreamDefinition[]): string[] {
  const own = streams.filter(({ subjects }) =>
    publishes.some(({ subject }) => subjects.some((pattern) => matches(pattern, subject))),
  );
  if (own.length === 0) return [];
  return [
    `${API}.INFO`,
    `${API}.STREAM.NAMES`,
    ...own.flatMap(({ name }) => [`${API}.STREAM.INFO.${name}`, `${API}.DIRECT.GET.${name}`]),
  ];
}

function overseeing(streams: readonly StreamDefinition[]): string[] {
  const reading = streams.map(({ name }) => `${API}.STREAM.MSG.GET.${name}`);
  return [...reading, `${API}.STREAM.INFO.*`, `${API}.CONSUMER.LIST.*`];
}

/** Without those that another one covers. */
function distinct(subjects: readonly string[]): string[] {
  const all = [...new Set(subjects)];
  const isCovered = (subject: string) => all.some((other) => other !== subject && covers(other, subject));
  return all.filter((subject) => !isCovered(subject)).toSorted();
}
