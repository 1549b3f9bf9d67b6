import type { ConsumerConfig, StreamConfig } from '@nats-io/jetstream';
import { stringify } from 'yaml';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { declareSystem } from '../../apps/system.js';
import { ROOT_DIR } from '../paths.ts';
import { readObjects } from './kustomize.ts';

// Custom resources of NACK, the JetStream controller (github.com/nats-io/nack, jetstream.nats.io/v1beta2), with the same
// streams and consumers that the services would create themselves.

/** Level of nats-server 2.14, whose chart is in helm/. */
const API_LEVEL = 4;

type Fields = Readonly<Record<string, unknown>>;

/**
 * One YAML document for each durable consumer that the code declares, and for each stream that it declares on any day:
 * those of one day are created ahead by the CronJob `provision-daily`, and a file that named them would be out of date
 * tomorrow.
 */
export function renderNack(): string {
  // As the services are told.
  const [settings] = readObjects(readFileSync(join(ROOT_DIR, 'k8s/base/config.yaml'), 'utf8'));
  const { streams, consumers } = declareSystem(API_LEVEL, settings?.data);
  const longAgo = declareSystem(API_LEVEL, settings?.data, new Date(0));
  const lasting = streams.filter(({ name }) => longAgo.streams.some((stream) => stream.name === name));
  const objects = [
    ...lasting.map((config) => object('Stream', config.name, streamSpec(config))),
    ...consumers.map(({ stream, config }) =>
      object('Consumer', `${stream}-${config.durable_name}`, consumerSpec(stream, config)),
    ),
  ];
  return objects.map((item) => stringify(item, { lineWidth: 120 })).join('---\n');
}

function object(kind: string, name: string, spec: Fields): Fields {
  const metadata = { name: name.toLowerCase().replaceAll(/[^a-z0-9.]+/g, '-') };
  return { apiVersion: 'jetstream.nats.io/v1beta2', kind, metadata, spec: defined(spec) };
}

function streamSpec(config: Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>): Fields {
  return {
    name: config.name,
    subjects: config.subjects,
    storage: config.storage,
    retention: config.retention,
    discard: config.discard,
    replicas: config.num_replicas,
    maxAge: duration(config.max_age),
    maxBytes: config.max_bytes,
    duplicateWindow: duration(config.duplicate_window),
    allowDirect: config.allow_direct,
    allowRollup: config.allow_rollup_hdrs,
    allowAtomicPublish: config.allow_atomic,
    allowMsgTtl: config.allow_msg_ttl,
    denyDelete: config.deny_delete,
    denyPurge: config.deny_purge,
    // A resource that is deleted by mistake must not take the messages with it.
    preventDelete: true,
  };
}

function consumerSpec(stream: string, config: Partial<ConsumerConfig>): Fields {
  return {
    streamName: stream,
    durableName: config.durable_name,
    ackPolicy: config.ack_policy,
    ackWait: duration(config.ack_wait),
    maxDeliver: config.max_deliver,
    maxAckPending: config.max_ack_pending,
    deliverPolicy: config.deliver_policy,
    deliverSubject: config.deliver_subject,
    deliverGroup: config.deliver_group,
    replayPolicy: config.replay_policy,
    filterSubjects: config.filter_subjects,
    priorityPolicy: config.priority_policy,
    priorityGroups: config.priority_groups,
    preventDelete: true,
  };
}

/** Nanoseconds as Go writes a duration; 0 is no limit. */
function duration(nanoseconds: number | undefined): string | undefined {
  return nanoseconds ? `${nanoseconds / 1e6}ms` : undefined;
}

function defined(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
