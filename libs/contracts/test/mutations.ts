/** Numbers from 0 up to 1 that are the same for the same seed (mulberry32): fast-check takes longer than what is tested. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Mutation = (body: Buffer, at: number, random: () => number) => Buffer;

const byteOf = (random: () => number) => Math.floor(random() * 256);
const lengthOf = (random: () => number) => 1 + Math.floor(random() * 16);

const MUTATIONS: readonly Mutation[] = [
  function flip(body, at, random) {
    const copy = Buffer.from(body);
    copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    return copy;
  },
  function set(body, at, random) {
    const copy = Buffer.from(body);
    copy[at] = byteOf(random);
    return copy;
  },
  function cut(body, at) {
    return body.subarray(0, at);
  },
  function drop(body, at, random) {
    return Buffer.concat([body.subarray(0, at), body.subarray(at + lengthOf(random))]);
  },
  function repeat(body, at, random) {
    return Buffer.concat([body.subarray(0, at + lengthOf(random)), body.subarray(at)]);
  },
  function insert(body, at, random) {
    return Buffer.concat([
      body.subarray(0, at),
      Buffer.alloc(lengthOf(random), byteOf(random)),
      body.subarray(at),
    ]);
  },
];

/** The body with one to four things done to it. */
export function mutate(body: Buffer, random: () => number): Buffer {
  let mutated = body;
  for (let count = 1 + Math.floor(random() * 4); count > 0; count--) {
    const mutation = MUTATIONS[Math.floor(random() * MUTATIONS.length)];
    mutated = mutation?.(mutated, Math.floor(random() * mutated.length), random) ?? mutated;
  }
  return mutated;
}
