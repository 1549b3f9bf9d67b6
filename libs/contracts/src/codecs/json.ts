import { ContractError } from '../contract.error.js';
import { MAX_DEPTH } from './codec.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** @throws ContractError when the bytes are not UTF-8 or not JSON, or nested too deep */
export function parseJson(data: Uint8Array): unknown {
  try {
    const text = utf8.decode(data);
    if (isTooDeep(text)) {
      throw new ContractError('CONTRACT_TOO_DEEP', `body: is nested deeper than ${MAX_DEPTH} levels`);
    }
    return JSON.parse(text) as unknown;
  } catch (cause) {
    if (cause instanceof ContractError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ContractError('CONTRACT_MALFORMED', `body is not JSON: ${reason}`, undefined, { cause });
  }
}

export function writeJson(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Most messages hold fewer brackets than would be needed; only others are looked at closely. */
function isTooDeep(text: string): boolean {
  return countUpTo(MAX_DEPTH + 1, text) > MAX_DEPTH && depthOf(text) > MAX_DEPTH;
}

function countUpTo(limit: number, text: string): number {
  let count = 0;
  for (const bracket of '{[') {
    for (let at = text.indexOf(bracket); at >= 0 && count < limit; at = text.indexOf(bracket, at + 1))
      count++;
  }
  return count;
}

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isText = false;
  for (let at = 0; at < text.length && deepest <= MAX_DEPTH; at++) {
    const code = text.charCodeAt(at);
    if (isText) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) isText = false;
    } else if (code === QUOTE) isText = true;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return deepest;
}
