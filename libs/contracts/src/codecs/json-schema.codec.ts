import type { Codec } from './codec.js';
import { parseJson, writeJson } from './json.js';

/** JSON exactly as the JSON Schema of the event has it: other names or numbers as text are not understood. */
export const jsonSchemaCodec: Codec = {
  contentTypes: ['application/schema-instance+json'],
  of: () => ({ decode: parseJson, encode: writeJson }),
};
