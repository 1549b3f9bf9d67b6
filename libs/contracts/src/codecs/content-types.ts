import { ContractError } from '../contract.error.js';
import { avroCodec } from './avro.codec.js';
import type { Codec } from './codec.js';
import { jsonSchemaCodec } from './json-schema.codec.js';
import { protoJsonCodec } from './proto-json.codec.js';
import { protobufCodec } from './protobuf.codec.js';

const codecs: readonly Codec[] = [protoJsonCodec, protobufCodec, avroCodec, jsonSchemaCodec];
const byContentType = new Map(
  codecs.flatMap((codec) => codec.contentTypes.map((contentType) => [contentType, codec] as const)),
);

/** What a message is that does not say. */
export const DEFAULT_CONTENT_TYPE = 'application/json';

/** What events can be published as. */
export const CONTENT_TYPES: readonly string[] = codecs.map(({ contentTypes: [written] }) => written);

/** `application/json` of `Application/JSON; charset=utf-8`. */
export function mediaTypeOf(contentType: string): string {
  return contentType.split(';', 1)[0]?.trim().toLowerCase() || DEFAULT_CONTENT_TYPE;
}

/** @throws ContractError when there is no codec for the content type */
export function codecFor(contentType: string): Codec {
  const codec = byContentType.get(mediaTypeOf(contentType));
  if (codec) return codec;
  throw new ContractError(
    'CONTRACT_UNSUPPORTED_CONTENT_TYPE',
    `content-type: is not supported; take one of ${[...byContentType.keys()].join(', ')}`,
    'content-type',
  );
}
