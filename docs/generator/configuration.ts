import { natsEnvironment } from '@slipstream/jetstream';
import { serviceEnvironment, streamEnvironment } from '@slipstream/service';
import { configSchema as audit } from '../../apps/audit-service/src/config.js';
import { configSchema as operations } from '../../apps/console/src/config.js';
import { configSchema as inventory } from '../../apps/inventory-service/src/config.js';
import { configSchema as producer } from '../../apps/order-producer/src/config.js';
import { configSchema as orders } from '../../apps/order-service/src/config.js';
import { configSchema as gateway } from '../../apps/payment-gateway/src/config.js';
import { configSchema as payments } from '../../apps/payment-service/src/config.js';
import { tracingVariables } from '../../libs/observability/src/tracing/environment.js';
import { assertAllListed, commandLine, everywhere, tools, traces } from './other-variables.js';
import { readVariables, type Shape, type Variable } from './variables.js';

const INTRODUCTION = `# Configuration

Generated from the schemas of the environment by \`npm run generate\`. Apps are configured by environment variables alone. What is not
valid ends an app at start with a message that names every such variable and why, never its value.

- A variable that is empty or blank counts as unset.
- Any variable of an app may be given by a file, as secrets are mounted: \`<NAME>_FILE\` names it, such as \`STRIPE_API_KEY_FILE\`,
  \`S3_SECRET_ACCESS_KEY_FILE\`, \`DATABASE_URL_FILE\` or \`CONSOLE_TOKEN_FILE\`. Line breaks at its end are dropped; the variable itself, where
  it is set, is what counts. Files are read at start, except those of the credentials for NATS, which are
  [read again](credentials.md#rotation). The rule does not hold for what every app reads ([address, log](#every-app),
  [traces](#traces)).
- Ages are a number and a unit: \`90s\`, \`30min\`, \`12h\`, \`14d\`.`;

const READ_BY_COMMAND_LINE: Shape = {
  DATABASE_URL: serviceEnvironment.shape.DATABASE_URL,
  AUDIT_STORE: audit.shape.AUDIT_STORE,
  SERVICE_VERSION: serviceEnvironment.shape.SERVICE_VERSION,
};

/** Which apps there are, and what each reads. */
const apps: readonly (readonly [name: string, shape: Shape])[] = [
  ['order-service', orders.shape],
  ['payment-service', payments.shape],
  ['inventory-service', inventory.shape],
  ['audit-service', audit.shape],
  // It compares streams with what audit-service declares.
  ['console', { ...operations.shape, AUDIT_STORE: audit.shape.AUDIT_STORE }],
  ['order-producer', producer.shape],
  ['payment-gateway', gateway.shape],
];

interface Chapter {
  readonly heading: string;
  readonly text: string;
  readonly variables: readonly Variable[];
}

/**
 * The environment variables of all programs.
 * @throws Error naming one that nobody described
 */
export function configuration(): string {
  const chapters = [...apps.map(chapterOf), ...sharedChapters(), ...chaptersOfTools()];
  assertAllListed(
    new Set(chapters.flatMap(({ variables }) => variables.flatMap(({ name }) => name.split(', ')))),
  );
  const texts = chapters.map(
    ({ heading, text, variables }) => `## ${heading}\n\n${text}\n\n${tableOf(variables)}`,
  );
  return [INTRODUCTION, ...texts].join('\n\n');
}

function chapterOf([name, shape]: readonly [string, Shape]): Chapter {
  const shared = [
    ['every service', serviceEnvironment.shape.OUTBOX_RETENTION],
    ['streams', streamEnvironment.shape.STREAM_REPLICAS],
    ['NATS', natsEnvironment.shape.NATS_URL],
  ] as const;
  const read = shared.filter(([, sample]) => Object.values(shape).includes(sample));
  const links = [...read.map(([heading]) => heading), 'every app', 'traces'].map(
    (heading) => `[${heading}](#${heading.toLowerCase().replaceAll(' ', '-')})`,
  );
  return {
    heading: name,
    text: `Also reads what is listed under ${links.join(', ')}.`,
    variables: readVariables(without(shape, serviceEnvironment.shape)),
  };
}

function sharedChapters(): Chapter[] {
  const { shape } = serviceEnvironment;
  const ofServices = without(shape, { ...streamEnvironment.shape, ...natsEnvironment.shape });
  const operators = 'the services, the console and the command line';
  return [
    {
      heading: 'Every service',
      text: 'What order-service, payment-service, inventory-service and audit-service share: database, outbox, inbox, health.',
      variables: readVariables(ofServices),
    },
    {
      heading: 'Streams',
      text: `For ${operators}. Give all of them the same: \`streams check\` reports what differs.`,
      variables: readVariables(streamEnvironment.shape),
    },
    {
      heading: 'NATS',
      text: `For ${operators}. At most one of nkey, creds, token and user: [credentials](credentials.md).`,
      variables: readVariables(natsEnvironment.shape),
    },
    { heading: 'Every app', text: 'For every app, not by file.', variables: everywhere },
    {
      heading: 'Traces',
      text: 'Variables of OpenTelemetry for every app, not by file: [logs and traces](logs-and-traces.md#traces). Its SDK reads others, too.',
      variables: [...readVariables(tracingVariables.partial().shape), ...traces],
    },
  ];
}

function chaptersOfTools(): Chapter[] {
  return [
    {
      heading: 'The command line',
      text: 'What its [options](cli.md) leave open. It also reads what is listed under [streams](#streams) and [NATS](#nats). `<NAME>_FILE` is read for `DATABASE_URL` and streams, and for NATS where it is listed.',
      variables: [...commandLine, ...readVariables(READ_BY_COMMAND_LINE)],
    },
    {
      heading: 'Tools',
      text: 'What `npm start`, tests, benchmarks and the build of images read.',
      variables: tools,
    },
  ];
}

function tableOf(variables: readonly Variable[]): string {
  const rows = variables.map(({ name, unset, description }) => {
    const names = name.split(', ').map((each) => `\`${each}\``);
    const cells = [names.join(', '), unset === undefined ? '' : `\`${unset}\``, description];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| variable | default | does |', '| --- | --- | --- |', ...rows].join('\n');
}

/** What differs from what `others` say of it stays. */
function without(shape: Shape, others: Shape): Shape {
  return Object.fromEntries(Object.entries(shape).filter(([name, schema]) => others[name] !== schema));
}
