import { getOption, type DescMessage } from '@bufbuild/protobuf';
import { avroSchemas } from './generated/avro-schemas.js';
import { jsonSchemas } from './generated/json-schemas.js';
import { subject as subjectOption } from './generated/proto/slipstream/rules/v1/rules_pb.js';

/** One version of an event in each of the languages that describe it. */
export interface MessageType {
  /** Such as `orders.created.v1`. */
  readonly subject: string;
  readonly protobuf: DescMessage;
  /** 2020-12, self-contained. */
  readonly jsonSchema: Readonly<Record<string, unknown>>;
  /** The newest first. */
  readonly avroSchemas: readonly [newest: object, ...earlier: readonly object[]];
}

export function messageType(protobuf: DescMessage): MessageType {
  const subject = getOption(protobuf, subjectOption);
  const jsonSchema = jsonSchemas[subject];
  const [newest, ...earlier] = avroSchemas[subject] ?? [];
  if (!jsonSchema || !newest) {
    throw new Error(`nothing was generated for ${protobuf.typeName}; run "npm run generate"`);
  }
  return { subject, protobuf, jsonSchema, avroSchemas: [newest, ...earlier] };
}
