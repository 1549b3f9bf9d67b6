import avro from 'avsc';
import { ContractError } from '../contract.error.js';
import { boundsOf, type AvroSchema, type CheckBounds } from './avro-bounds.js';
import { fingerprintOf, FINGERPRINT_BYTES } from './avro-fingerprint.js';
import type { Codec, Fields } from './codec.js';

/** Marks a single object with the fingerprint of its schema in front (Avro specification, "Single-object encoding"). */
const MARKER = Buffer.from([0xc3, 0x01]);
const HEADER_BYTES = MARKER.length + FINGERPRINT_BYTES;

/** A schema that messages may be written with. */
interface Writer {
  readonly fingerprint: Buffer;
  readonly checkBounds: CheckBounds;
  /** Reads the datum that begins at `start`. */
  read(bytes: Buffer, start: number): Fields;
}

/**
 * Avro in the single-object encoding. A body without its marker is read with the newest schema. No datum begins like the
 * marker: the first field of every event is a text, and this would be a negative length.
 */
export const avroCodec: Codec = {
  contentTypes: ['application/avro'],
  of: ({ avroSchemas: [newest, ...earlier] }) => {
    const reader = parse(newest);
    const current = writerOf(newest, reader);
    const writers = [current, ...earlier.map((schema) => writerOf(schema, reader))];
    const header = Buffer.concat([MARKER, current.fingerprint]);
    return {
      decode: (data) => {
        const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
        if (bytes[0] !== MARKER[0] || bytes[1] !== MARKER[1]) return read(current, bytes, 0);
        return read(chooseWriter(writers, bytes), bytes, HEADER_BYTES);
      },
      encode: (fields) => Buffer.concat([header, reader.toBuffer(fields)]),
    };
  },
};

function parse(schema: object): avro.Type {
  // A registry of its own: events share the names of their parts.
  return avro.Type.forSchema(schema as avro.Schema, { registry: {}, omitRecordMethods: true });
}

function writerOf(schema: object, reader: avro.Type): Writer {
  const type = parse(schema);
  const resolver = type.equals(reader) ? undefined : reader.createResolver(type);
  return {
    fingerprint: fingerprintOf(JSON.stringify(type.schema())),
    checkBounds: boundsOf(schema as AvroSchema),
    read: (bytes, start) =>
      withoutNulls(reader.decode(bytes, start, resolver).value as Record<string, unknown>),
  };
}

function chooseWriter(writers: readonly Writer[], bytes: Buffer): Writer {
  if (bytes.length < HEADER_BYTES) {
    throw new ContractError(
      'CONTRACT_MALFORMED',
      'body is not Avro: it ends within the fingerprint of its schema',
    );
  }
  const writer = writers.find(
    ({ fingerprint }) => fingerprint.compare(bytes, MARKER.length, HEADER_BYTES) === 0,
  );
  if (writer) return writer;
  const fingerprint = bytes.subarray(MARKER.length, HEADER_BYTES);
  throw new ContractError(
    'CONTRACT_MALFORMED',
    `body is Avro of a schema that is not known here (fingerprint ${fingerprint.toString('hex')})`,
  );
}

function read(writer: Writer, bytes: Buffer, start: number): Fields {
  writer.checkBounds(bytes, start);
  try {
    return writer.read(bytes, start);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ContractError('CONTRACT_MALFORMED', `body is not Avro: ${reason}`, undefined, { cause });
  }
}

function withoutNulls(record: Record<string, unknown>): Fields {
  for (const name in record) {
    const value = record[name];
    if (value === null) record[name] = undefined;
    else if (Array.isArray(value)) {
      for (const element of value) {
        if (typeof element === 'object' && element !== null) withoutNulls(element as Record<string, unknown>);
      }
    }
  }
  return record;
}
