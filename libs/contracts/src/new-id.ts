import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

const ID_BYTES = 16;
/** One call of the system's generator for this many ids: called for each, it takes most of the time an id takes. */
const pool = new Uint8Array(256 * ID_BYTES);
let position = pool.length;

/** A new UUIDv7. Ids of one millisecond are in no order. */
export function newId(): string {
  if (position === pool.length) {
    randomFillSync(pool);
    position = 0;
  }
  const random = pool.subarray(position, (position += ID_BYTES));
  return uuidv7({ random });
}
