import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { SetupError } from '../setup-error.ts';
import { typeOf } from './fields.ts';
import { type ContractImage, type Definition, describe } from './image.ts';

export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
}

/** Avro libraries for JavaScript refuse the last safe integer. */
const MOST_EXACT = Number.MAX_SAFE_INTEGER - 1;
const INT32 = { minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };

/** The JSON Schema (2020-12) of an event, self-contained. */
export function eventSchema(image: ContractImage, subject: string, message: DescMessage): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `urn:slipstream:${subject}`,
    title: subject,
    ...messageSchema(image, message),
    examples: [exampleOf(image, message)],
  };
}

function messageSchema(image: ContractImage, message: DescMessage): JsonSchema {
  return {
    description: describe(message),
    type: 'object',
    properties: Object.fromEntries(message.fields.map((field) => [field.name, fieldSchema(image, field)])),
    required: message.fields.filter((field) => image.rulesOf(field).isRequired).map(({ name }) => name),
  };
}

function fieldSchema(image: ContractImage, field: DescField): JsonSchema {
  const { description, maxItems } = image.rulesOf(field);
  const value = valueSchema(image, field);
  if (field.fieldKind !== 'list') return { ...value, description };
  return { type: 'array', items: value, ...(maxItems > 0 && { maxItems }), description };
}

function valueSchema(image: ContractImage, field: DescField): JsonSchema {
  const type = typeOf(field);
  const rules = limitsOf(image.rulesOf(field).definition);
  switch (type.kind) {
    case 'message':
      return messageSchema(image, type.message);
    case 'string':
      return { type: 'string', ...rules };
    case 'double':
      return { type: 'number', ...rules };
    case 'int32':
      return { type: 'integer', ...INT32, ...rules };
    case 'int64':
      if (!(Number(rules.maximum) <= MOST_EXACT && rules.minimum !== undefined)) {
        throw new SetupError(
          `${field.toString()}: give it a kind with a minimum and a maximum of at most 2^53 - 2`,
        );
      }
      return { type: 'integer', ...rules };
  }
}

function limitsOf(definition: Definition | undefined): Partial<Definition> {
  if (!definition) return {};
  const { pattern, minimum, maximum } = definition;
  return {
    ...(pattern !== '' && { pattern }),
    ...(minimum !== undefined && { minimum }),
    ...(maximum !== undefined && { maximum }),
  };
}

function exampleOf(image: ContractImage, message: DescMessage): object {
  return Object.fromEntries(
    message.fields.map((field) => {
      const type = typeOf(field);
      const value = type.kind === 'message' ? exampleOf(image, type.message) : image.rulesOf(field).example;
      return [field.name, field.fieldKind === 'list' ? [value] : value];
    }),
  );
}
