import { fromBinary, toBinary, type Message, type UnknownField } from '@bufbuild/protobuf';
import { ContractError } from '../contract.error.js';
import { MAX_DEPTH, type Codec, type Fields } from './codec.js';
import { shapeOf, type FieldShape, type Shape } from './shape.js';

type Content = Record<string, unknown>;

/** Fields that the contract does not know, as they came. */
const UNKNOWN = Symbol('unknown fields');

/** Binary protobuf. */
export const protobufCodec: Codec = {
  contentTypes: ['application/protobuf', 'application/x-protobuf'],
  of: ({ protobuf }) => {
    const shape = shapeOf(protobuf);
    return {
      decode: (data) => {
        try {
          return toFields(fromBinary(protobuf, data, { recursionLimit: MAX_DEPTH }), shape);
        } catch (cause) {
          throw explain(cause);
        }
      },
      encode: (fields) => toBinary(protobuf, toMessage(fields, shape)),
    };
  },
};

function toFields(message: Message, { fields: shapes }: Shape): Fields {
  const content = message as unknown as Content;
  const fields: Content & { [UNKNOWN]?: UnknownField[] } = {};
  for (const { name, localName, isLong, isList, inner } of shapes) {
    const value = content[localName];
    if (inner && isList) fields[name] = (value as Message[]).map((single) => toFields(single, inner));
    else if (inner && value !== undefined) fields[name] = toFields(value as Message, inner);
    else fields[name] = isLong && value !== undefined ? toNumbers(value) : value;
  }
  if (message.$unknown) fields[UNKNOWN] = message.$unknown;
  return fields;
}

function toNumbers(value: unknown): unknown {
  return Array.isArray(value) ? value.map(Number) : Number(value);
}

function toMessage(
  fields: Fields & { [UNKNOWN]?: UnknownField[] },
  { typeName, fields: shapes }: Shape,
): Message {
  const message: Content = { $typeName: typeName };
  for (const shape of shapes) message[shape.localName] = fromField(fields[shape.name], shape);
  if (fields[UNKNOWN]) message['$unknown'] = fields[UNKNOWN];
  return message as unknown as Message;
}

function fromField(value: unknown, { isLong, isList, inner }: FieldShape): unknown {
  if (isList)
    return ((value ?? []) as unknown[]).map((single) =>
      inner ? toMessage(single as Fields, inner) : single,
    );
  if (value === undefined) return undefined;
  if (inner) return toMessage(value as Fields, inner);
  return isLong ? BigInt(value as number) : value;
}

function explain(cause: unknown): ContractError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const code = reason.includes('recursion depth') ? 'CONTRACT_TOO_DEEP' : 'CONTRACT_MALFORMED';
  return new ContractError(code, `body is not protobuf: ${reason}`, undefined, { cause });
}
