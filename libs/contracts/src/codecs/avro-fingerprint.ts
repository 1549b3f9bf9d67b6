export const FINGERPRINT_BYTES = 8;

const EMPTY = 0xc15d213aa4d7a795n;
const TABLE = Array.from({ length: 256 }, (_, index) => {
  let value = BigInt(index);
  for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ (EMPTY & -(value & 1n) & 0xffffffffffffffffn);
  return value;
});

/**
 * CRC-64-AVRO of a schema in its Parsing Canonical Form, in the order of bytes of the single-object encoding (Avro
 * specification, "Schema Fingerprints").
 */
export function fingerprintOf(canonicalSchema: string): Buffer {
  let crc = EMPTY;
  for (const byte of Buffer.from(canonicalSchema)) {
    crc = (crc >> 8n) ^ (TABLE[Number((crc ^ BigInt(byte)) & 0xffn)] ?? 0n);
  }
  const bytes = Buffer.alloc(FINGERPRINT_BYTES);
  bytes.writeBigUInt64LE(crc);
  return bytes;
}
