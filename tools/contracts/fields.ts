import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { SetupError } from '../setup-error.ts';

export type FieldType =
  | { readonly kind: 'string' | 'int32' | 'int64' | 'double' }
  | { readonly kind: 'message'; readonly message: DescMessage };

const SCALARS: Partial<Record<ScalarType, 'string' | 'int32' | 'int64' | 'double'>> = {
  [ScalarType.STRING]: 'string',
  [ScalarType.INT32]: 'int32',
  [ScalarType.INT64]: 'int64',
  [ScalarType.DOUBLE]: 'double',
};

/**
 * What a field holds, or what the elements of its list are.
 * @throws for what not every encoding can carry, and for a field of which nobody could tell zero from absent
 */
export function typeOf(field: DescField): FieldType {
  const kind = field.fieldKind === 'list' ? field.listKind : field.fieldKind;
  if (kind === 'message' && field.message) return { kind, message: field.message };
  const scalar = kind === 'scalar' && field.scalar !== undefined ? SCALARS[field.scalar] : undefined;
  if (!scalar) throw new SetupError(`${field.toString()}: take a string, int32, int64, double or message`);
  if (field.fieldKind !== 'list' && !field.proto.proto3Optional) {
    throw new SetupError(`${field.toString()}: declare it optional, or nobody can tell zero from absent`);
  }
  return { kind: scalar };
}

/** Version of the package a message is in: 2 for `slipstream.orders.v2`. */
export function versionOf(message: DescMessage): number {
  return Number(/\.v(\d+)$/.exec(message.file.proto.package)?.[1]);
}
