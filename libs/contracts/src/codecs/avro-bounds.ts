import { isUtf8 } from 'node:buffer';
import { BODY, ContractError } from '../contract.error.js';
import { toPath } from '../path.js';

/** What of Avro's schema language contracts use. */
export type AvroSchema =
  | 'null'
  | 'string'
  | 'double'
  | 'int'
  | 'long'
  | readonly AvroSchema[]
  | {
      readonly type: 'record';
      readonly fields: readonly { readonly name: string; readonly type: AvroSchema }[];
    }
  | { readonly type: 'array'; readonly items: AvroSchema };

/**
 * Checks the datum that begins at `start` and takes the rest of the bytes.
 * @throws ContractError naming the field that does not lie within them
 */
export type CheckBounds = (bytes: Buffer, start: number) => void;

type Walk = (cursor: Cursor) => void;

const LONGEST_VARINT = 10;
const DOUBLE_BYTES = 8;

/**
 * Reads over a datum without making anything of it. The decoder trusts the number of elements that a list claims to have,
 * however few bytes there are, and would loop until memory is gone.
 */
export function boundsOf(schema: AvroSchema): CheckBounds {
  const walk = walkOf(schema);
  return (bytes, start) => {
    const cursor = new Cursor(bytes, start);
    walk(cursor);
    cursor.end();
  };
}

function walkOf(schema: AvroSchema): Walk {
  if (typeof schema === 'string') return PRIMITIVES[schema];
  if ('fields' in schema) return walkRecord(schema.fields.map(({ name, type }) => [name, walkOf(type)]));
  if ('items' in schema) return walkArray(walkOf(schema.items));
  return walkUnion(schema.map(walkOf));
}

const PRIMITIVES: Readonly<Record<Extract<AvroSchema, string>, Walk>> = {
  null: () => undefined,
  int: (cursor) => void cursor.long(),
  long: (cursor) => void cursor.long(),
  double: (cursor) => cursor.skip(DOUBLE_BYTES),
  string: (cursor) => cursor.text(cursor.long()),
};

function walkRecord(fields: readonly (readonly [name: string, walk: Walk])[]): Walk {
  return (cursor) => {
    for (const [name, walk] of fields) {
      cursor.path.push(name);
      walk(cursor);
      cursor.path.pop();
    }
  };
}

function walkUnion(branches: readonly Walk[]): Walk {
  return (cursor) => {
    const branch = branches[cursor.long()];
    if (!branch) throw cursor.error('is of no type that it can have');
    branch(cursor);
  };
}

function walkArray(walkElement: Walk): Walk {
  return (cursor) => {
    let index = 0;
    for (let count = cursor.blockSize(); count > 0; count = cursor.blockSize()) {
      // Every element takes a byte at least.
      if (count > cursor.remaining) throw cursor.error(`claims to have ${count} elements`);
      for (const end = index + count; index < end; index++) {
        cursor.path.push(index);
        walkElement(cursor);
        cursor.path.pop();
      }
    }
  };
}

class Cursor {
  readonly path: (string | number)[] = [];

  constructor(
    private readonly bytes: Buffer,
    private position: number,
  ) {}

  get remaining(): number {
    return this.bytes.length - this.position;
  }

  /** Zigzag varint. Beyond 2^53 it is inexact, which only the decoder minds. */
  long(): number {
    let value = 0;
    let factor = 1;
    for (let read = 0; read < LONGEST_VARINT; read++) {
      const byte = this.bytes[this.position++];
      if (byte === undefined) throw this.error('ends too early');
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    throw this.error('is no number of 64 bits');
  }

  skip(length: number): void {
    if (!(length >= 0 && length <= this.remaining)) throw this.error('ends too early');
    this.position += length;
  }

  text(length: number): void {
    const start = this.position;
    this.skip(length);
    for (let at = start; at < this.position; at++) {
      // Nearly all text is ASCII, and asking about the rest takes longer than reading it.
      if ((this.bytes[at] ?? 0) < 0x80) continue;
      if (!isUtf8(this.bytes.subarray(at, this.position))) throw this.error('is not UTF-8');
      return;
    }
  }

  /** Elements of the next block of a list; a negative count is followed by the bytes that the block takes. */
  blockSize(): number {
    const count = this.long();
    if (count < 0) this.long();
    return Math.abs(count);
  }

  end(): void {
    if (this.remaining > 0) throw this.error(`has ${this.remaining} bytes too many`);
  }

  error(reason: string): ContractError {
    const path = toPath(this.path) || BODY;
    return new ContractError('CONTRACT_MALFORMED', `body is not Avro: ${path} ${reason}`, path);
  }
}
