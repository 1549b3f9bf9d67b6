import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { typeOf } from './fields.ts';
import { type ContractImage, describe } from './image.ts';

const PRIMITIVES = { string: 'string', double: 'double', int32: 'int', int64: 'long' } as const;

/** The Avro schema of a message: what may be absent is a union with null, lists default to empty. */
export function avroSchema(image: ContractImage, message: DescMessage): object {
  return {
    type: 'record',
    name: message.name,
    namespace: message.file.proto.package,
    doc: describe(message),
    fields: message.fields.map((field) => avroField(image, field)),
  };
}

/** True when readers cannot tell the schemas apart. */
export function isSameSchema(a: object | undefined, b: object): boolean {
  const withoutDoc = (schema?: object) =>
    JSON.stringify(schema, (key, value: unknown) => (key === 'doc' ? undefined : value));
  return withoutDoc(a) === withoutDoc(b);
}

function avroField(image: ContractImage, field: DescField): object {
  const { isRequired, description: doc } = image.rulesOf(field);
  const { name } = field;
  const type = typeOf(field);
  const value = type.kind === 'message' ? avroSchema(image, type.message) : PRIMITIVES[type.kind];
  if (field.fieldKind === 'list') return { name, type: { type: 'array', items: value }, default: [], doc };
  return isRequired ? { name, type: value, doc } : { name, type: ['null', value], default: null, doc };
}
