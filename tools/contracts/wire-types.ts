import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { typeOf, versionOf } from './fields.ts';
import { type ContractImage, describe } from './image.ts';

const TYPES = { string: 'string', double: 'number', int32: 'number', int64: 'number' } as const;

/** TypeScript interfaces of what codecs decode to: the fields under the names they have in the contract. */
export function wireTypes(image: ContractImage): string {
  const messages = new Map<string, DescMessage>();
  for (const { message } of image.events()) collect(message, messages);
  return [...messages]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, message]) => toInterface(image, message))
    .join('\n');
}

function collect(message: DescMessage, into: Map<string, DescMessage>): void {
  into.set(message.typeName, message);
  for (const { message: inner } of message.fields) if (inner) collect(inner, into);
}

function toInterface(image: ContractImage, message: DescMessage): string {
  const fields = message.fields.map((field) => {
    const { isRequired, description } = image.rulesOf(field);
    const optional = isRequired ? '' : '?';
    const absent = isRequired ? '' : ' | undefined';
    return `  /** ${description} */\n  readonly ${field.name}${optional}: ${typeName(field)}${absent};\n`;
  });
  return `/** ${describe(message)} */\nexport interface ${nameOf(message)} {\n${fields.join('')}}\n`;
}

function typeName(field: DescField): string {
  const type = typeOf(field);
  const name = type.kind === 'message' ? nameOf(type.message) : TYPES[type.kind];
  return field.fieldKind === 'list' ? `readonly ${name}[]` : name;
}

function nameOf(message: DescMessage): string {
  return `${message.name}V${versionOf(message)}`;
}
