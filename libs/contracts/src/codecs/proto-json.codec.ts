import { BODY, ContractError } from '../contract.error.js';
import type { Codec } from './codec.js';
import { parseJson, writeJson } from './json.js';
import { shapeOf, type FieldShape, type Shape } from './shape.js';

type Names = ReadonlyMap<string, NamedField>;
interface NamedField extends Omit<FieldShape, 'inner'> {
  readonly inner: Names | undefined;
}

/** What JSON writes a number with, in quotes or without. */
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * ProtoJSON: reads both the names of the contract and those in camelCase, null as absent, and numbers that are written as
 * text. Writes the names of the contract and numbers as numbers, which every ProtoJSON parser reads and so does code that
 * never heard of it.
 */
export const protoJsonCodec: Codec = {
  contentTypes: ['application/json'],
  of: ({ protobuf }) => {
    const names = namesOf(shapeOf(protobuf));
    return { decode: (data) => settle(parseJson(data), names, ''), encode: writeJson };
  },
};

function namesOf({ fields }: Shape): Names {
  return new Map(
    fields.flatMap((field) => {
      const named = { ...field, inner: field.inner && namesOf(field.inner) };
      return [
        [field.name, named],
        [field.jsonName, named],
      ] as const;
    }),
  );
}

/** Brings a parsed message into the form of the contract. Changes it in place; what it does not know stays as it is. */
function settle(value: unknown, names: Names, path: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const message = value as Record<string, unknown>;
  for (const key in message) {
    const field = names.get(key);
    if (!field) continue;
    const settled = settleValue(message[key], field, path);
    if (key === field.name) {
      if (settled !== message[key]) message[key] = settled;
      continue;
    }
    message[key] = undefined;
    if (settled === undefined) continue;
    if (message[field.name] !== undefined && message[field.name] !== null) throw givenTwice(field, path);
    message[field.name] = settled;
  }
  return message;
}

function settleValue(value: unknown, field: NamedField, path: string): unknown {
  if (value === null) return undefined;
  const { inner } = field;
  if (inner && Array.isArray(value)) {
    value.forEach((element, index) => settle(element, inner, `${path}${field.name}[${index}].`));
    return value;
  }
  if (inner) return settle(value, inner, `${path}${field.name}.`);
  return field.isNumber && typeof value === 'string' ? toNumber(value, field) : value;
}

/** The text itself where it is no number, or none that JavaScript has: its schema refuses it with the name of the field. */
function toNumber(text: string, { isLong }: NamedField): unknown {
  const number = NUMBER.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(number) && !(isLong && !Number.isSafeInteger(number)) ? number : text;
}

function givenTwice({ name, jsonName }: NamedField, path: string): ContractError {
  const at = `${path}${name}` || BODY;
  return new ContractError('CONTRACT_INVALID', `${at}: is there twice, as ${name} and as ${jsonName}`, at);
}
