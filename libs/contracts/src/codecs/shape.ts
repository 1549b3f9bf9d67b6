import { ScalarType, type DescMessage } from '@bufbuild/protobuf';

/** A field of a message as codecs need it. */
export interface FieldShape {
  /** As in the contract, such as `order_id`. */
  readonly name: string;
  /** As in canonical ProtoJSON, such as `orderId`. */
  readonly jsonName: string;
  /** As in generated code. */
  readonly localName: string;
  readonly isList: boolean;
  readonly isNumber: boolean;
  readonly isLong: boolean;
  /** Fields of a message inside. */
  readonly inner: Shape | undefined;
}

export interface Shape {
  readonly typeName: string;
  readonly fields: readonly FieldShape[];
}

export function shapeOf(message: DescMessage): Shape {
  return {
    typeName: message.typeName,
    fields: message.fields.map((field) => ({
      name: field.name,
      jsonName: field.jsonName,
      localName: field.localName,
      isList: field.fieldKind === 'list',
      isNumber: field.scalar !== undefined && field.scalar !== ScalarType.STRING,
      isLong: field.scalar === ScalarType.INT64,
      inner: field.message && shapeOf(field.message),
    })),
  };
}
