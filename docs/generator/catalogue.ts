import { contracts, newestVersions, streams, type EventContract } from '@slipstream/contracts';
import { matchesSubject, plansOf } from '@slipstream/jetstream';
import type { MessagingService } from '@slipstream/service';

interface FieldSchema {
  readonly type: string;
  readonly description: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly items?: ObjectSchema;
}

interface ObjectSchema {
  readonly description: string;
  readonly properties: Readonly<Record<string, FieldSchema>>;
  readonly required: readonly string[];
  readonly examples?: readonly object[];
}

const INTRODUCTION = `# Events

Generated from the contracts and the handlers by \`npm run generate\`. How contracts change: [contracts.md](../../contracts.md).
All channels, durables and streams as AsyncAPI 3: [asyncapi.json](../asyncapi.json).

Handlers get the newest version, whichever was published.
`;

/** The event catalogue: who publishes what, who reads it, and what is in it. */
export function catalogue(services: readonly MessagingService[]): string {
  const overview = contracts.map((contract) => {
    const { subject } = contract;
    const cells = [`[\`${subject}\`](#${anchorOf(subject)})`, schemaOf(contract).description];
    return `| ${[...cells, publishersOf(contract, services), consumersOf(contract, services)].join(' | ')} |`;
  });
  const table = ['| event | says | published by | read by |', '| --- | --- | --- | --- |', ...overview].join(
    '\n',
  );
  return [INTRODUCTION, table, ...contracts.map((contract) => chapterOf(contract, services))].join('\n\n');
}

function chapterOf(contract: EventContract, services: readonly MessagingService[]): string {
  const { subject, type } = contract;
  const schema = schemaOf(contract);
  const { file, name } = type.protobuf;
  return [
    `## ${subject}`,
    schema.description,
    `- published by: ${publishersOf(contract, services)}\n- read by: ${consumersOf(contract, services)}\n- version: ${versionOf(contract)}\n- languages: \`${name}\` in [${file.name}.proto](../../../libs/contracts/proto/${file.name}.proto), [JSON Schema](${subject}.schema.json), [Avro](${subject}.avsc)`,
    ['| field | type | | says |', '| --- | --- | --- | --- |', ...rowsOf(schema, '')].join('\n'),
    `\`\`\`json\n${JSON.stringify(schema.examples?.[0], undefined, 2)}\n\`\`\``,
  ].join('\n\n');
}

function rowsOf({ properties, required }: ObjectSchema, path: string): string[] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const cells = [
      `\`${path}${name}\``,
      [field.type, limitsOf(field)].filter(Boolean).join(', '),
      required.includes(name) ? 'required' : '',
      field.description,
    ];
    const row = `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
    return [row, ...(field.items ? rowsOf(field.items, `${path}${name}[].`) : [])];
  });
}

function limitsOf({ pattern, minimum, maximum, maxItems }: FieldSchema): string {
  if (pattern !== undefined) return `\`${pattern}\``;
  if (maxItems !== undefined) return `at most ${maxItems}`;
  if (minimum === undefined) return '';
  return maximum === undefined ? `at least ${minimum}` : `${minimum} to ${maximum}`;
}

function publishersOf(contract: EventContract, services: readonly MessagingService[]): string {
  return services
    .filter(({ publishes }) => publishes.includes(contract))
    .map(({ name }) => name)
    .join(', ');
}

function consumersOf({ subject }: EventContract, services: readonly MessagingService[]): string {
  return services
    .flatMap((service) => plansOf(service, streams).map((plan) => ({ service, plan })))
    .filter(({ plan }) => plan.routes.some(({ pattern }) => matchesSubject(pattern, subject)))
    .map(({ service, plan }) => `${service.name} (\`${plan.options.durable}\`)`)
    .join(', ');
}

function versionOf(contract: EventContract): string {
  const newest = newestVersions.find(({ name }) => name === contract.name);
  return newest === contract
    ? `${contract.version}, the newest`
    : `${contract.version}, superseded by ${newest?.version}`;
}

function schemaOf({ type }: EventContract): ObjectSchema {
  return type.jsonSchema as unknown as ObjectSchema;
}

function anchorOf(heading: string): string {
  return heading.replaceAll('.', '');
}
