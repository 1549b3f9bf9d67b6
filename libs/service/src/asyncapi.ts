import {
  CONTENT_TYPES,
  contracts,
  DEFAULT_CONTENT_TYPE,
  newestVersions,
  streams,
  type EventContract,
} from '@slipstream/contracts';
import {
  deadLetterStream,
  declareTopology,
  describeRetryPolicy,
  matchesSubject,
  plansOf,
  type ConsumerPlan,
  type ServiceDeclaration,
} from '@slipstream/jetstream';

/** What a service says of itself in code. */
export interface MessagingService extends ServiceDeclaration {
  readonly publishes: readonly EventContract[];
}

/** The level of the newest server the documents speak of, which has atomic batches. */
const API_LEVEL = 2;
const ref = (path: string) => ({ $ref: `#/${path}` });

/**
 * The AsyncAPI 3 document of services: a channel for each subject they meet, an operation for each event they publish and
 * for each event that one of their durables reads. What AsyncAPI has no words for is under `x-jetstream`.
 */
export function describeMessages(services: readonly MessagingService[]): object {
  const sent = services.flatMap(({ name, publishes }) => publishes.map((contract) => ({ name, contract })));
  const received = services.flatMap((service) =>
    readsOf(service).map((read) => ({ ...read, name: service.name })),
  );
  const met = contracts.filter((contract) =>
    [...sent, ...received].some((operation) => operation.contract === contract),
  );
  return {
    asyncapi: '3.0.0',
    info: {
      title: services.length === 1 ? `Messages of ${services[0]?.name}` : 'Messages of Slipstream',
      version: '1',
      description: 'Generated from the contracts and the handlers.',
    },
    defaultContentType: DEFAULT_CONTENT_TYPE,
    servers: { nats: { host: 'localhost:4222', protocol: 'nats' } },
    channels: { ...Object.fromEntries(met.map(channelOf)), ...deadLetterChannels(received) },
    operations: Object.fromEntries([...sent.map(sendOf), ...received.map(receiveOf)]),
    components: {
      messages: {
        ...Object.fromEntries(met.map(messageOf)),
        ...(received.length > 0 && { 'dead-letter': DEAD_LETTER }),
      },
    },
  };
}

interface Read {
  readonly plan: ConsumerPlan;
  readonly contract: EventContract;
}

/** Which event reaches which durable. */
function readsOf(service: MessagingService): Read[] {
  return plansOf(service, streams).flatMap((plan) =>
    contracts
      .filter(({ subject }) => plan.routes.some(({ pattern }) => matchesSubject(pattern, subject)))
      .map((contract) => ({ plan, contract })),
  );
}

function channelOf({ subject }: EventContract): [string, object] {
  const stream = streams.find(({ subjects }) => subjects.some((pattern) => matchesSubject(pattern, subject)));
  const [settings] = declareTopology([], streams, { replicas: 1, apiLevel: API_LEVEL }).streams.filter(
    ({ name }) => name === stream?.name,
  );
  const channel = {
    address: subject,
    messages: { event: ref(`components/messages/${subject}`) },
    bindings: { nats: {} },
    'x-jetstream': { stream: settings },
  };
  return [subject, channel];
}

function sendOf({
  name,
  contract: { subject },
}: {
  name: string;
  contract: EventContract;
}): [string, object] {
  const operation = {
    action: 'send',
    summary: `${name} publishes ${subject} from its outbox.`,
    channel: ref(`channels/${subject}`),
    messages: [ref(`channels/${subject}/messages/event`)],
    tags: [{ name }],
  };
  return [`${name}.${subject}`, operation];
}

function receiveOf({ name, plan, contract: { subject } }: Read & { name: string }): [string, object] {
  const { options, stream, routes } = plan;
  const operation = {
    action: 'receive',
    summary: `${name} reads ${subject} with its durable ${options.durable}.`,
    description: `On errors: ${describeRetryPolicy(options)}.`,
    channel: ref(`channels/${subject}`),
    messages: [ref(`channels/${subject}/messages/event`)],
    tags: [{ name }],
    'x-jetstream': {
      durable: options.durable,
      stream: stream.name,
      filterSubjects: routes.map(({ pattern }) => pattern),
      delivery: options.delivery,
      concurrency: options.concurrency,
      batch: options.batch,
      maxDeliver: options.maxDeliver,
      ackWaitMs: options.ackWaitMs,
      timeoutMs: options.timeoutMs,
      deadLetterSubject: stream.deadLetterSubject,
    },
  };
  return [`${options.durable}.${subject}`, operation];
}

function deadLetterChannels(reads: readonly Read[]): Record<string, object> {
  const read = new Set(reads.map(({ plan }) => plan.stream));
  const channels = [...read].map(({ name, deadLetterSubject }) => {
    const channel = {
      address: deadLetterSubject,
      summary: `What consumers of ${name} could not process, once for each of them.`,
      messages: { 'dead-letter': ref('components/messages/dead-letter') },
      bindings: { nats: {} },
      'x-jetstream': { stream: { name: deadLetterStream(name), subjects: [deadLetterSubject] } },
    };
    return [deadLetterSubject, channel] as const;
  });
  return Object.fromEntries(channels);
}

function messageOf(contract: EventContract): [string, object] {
  const { subject, type } = contract;
  const { $schema: _dialect, $id: _id, examples, ...payload } = type.jsonSchema;
  const isNewest = newestVersions.includes(contract);
  const message = {
    name: subject,
    title: subject,
    summary: payload['description'],
    contentType: DEFAULT_CONTENT_TYPE,
    headers: HEADERS,
    payload,
    correlationId: { location: '$message.payload#/order_id' },
    examples: (examples as object[]).map((example) => ({ payload: example })),
    bindings: { nats: {} },
    'x-content-types': CONTENT_TYPES,
    ...(!isNewest && { 'x-superseded': 'Handlers get it as the newest version.' }),
  };
  return [subject, message];
}

const text = (description: string, more: object = {}) => ({ type: 'string', description, ...more });

/** No header is required: a bare JSON body is a message. */
const HEADERS = {
  type: 'object',
  properties: {
    'Nats-Msg-Id': text('Message id and version, by which the stream drops what is published again.'),
    'content-type': text('How the body is written.', { enum: CONTENT_TYPES, default: DEFAULT_CONTENT_TYPE }),
    'ce-specversion': text('Version of CloudEvents.', { const: '1.0' }),
    'ce-id': text('The message id.'),
    'ce-type': text('The subject.'),
    'ce-source': text('Path of the service that published it.'),
    'ce-time': text('When it happened.', { format: 'date-time' }),
    'ce-subject': text('The id of the order.'),
    'ce-datacontenttype': text('As content-type.', { enum: CONTENT_TYPES }),
    traceparent: text('W3C Trace Context.'),
  },
};

const DEAD_LETTER = {
  name: 'dead-letter',
  title: 'Dead letter',
  summary: 'Body and headers of a message as they came, and what went wrong.',
  headers: {
    type: 'object',
    properties: {
      'dead-letter-code': text('Stable code of the error.'),
      'dead-letter-message': text('The error in words.'),
      'dead-letter-stream': text('Stream of the message.'),
      'dead-letter-sequence': text('Its sequence there.'),
      'dead-letter-consumer': text('Durable that could not process it.'),
      'dead-letter-subject': text('Its subject.'),
      'dead-letter-attempts': text('How often it was tried.'),
    },
  },
  bindings: { nats: {} },
};
