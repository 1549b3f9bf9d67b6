import { Buffer } from 'node:buffer';
import { parseJson } from './codecs/json.js';
import { ContractError } from './contract.error.js';

/** An event in the structured mode of CloudEvents 1.0, taken out of its envelope. */
export interface UnwrappedEvent {
  readonly contentType: string;
  readonly data: Uint8Array;
}

/** What CloudEvents calls the context of an event. */
export interface EventAttributes {
  readonly id: string;
  readonly type: string;
  /** Absolute path of the service. */
  readonly source: string;
  /** Epoch milliseconds. */
  readonly time: number;
  readonly subject: string;
  readonly contentType: string;
}

const SPEC_VERSION = '1.0';
/** RFC 4648, section 4. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Headers of the binary mode of the NATS binding. */
export function cloudEventHeaders(event: EventAttributes): Record<string, string> {
  return {
    'content-type': event.contentType,
    'ce-specversion': SPEC_VERSION,
    'ce-id': event.id,
    'ce-type': event.type,
    'ce-source': event.source,
    'ce-time': new Date(event.time).toISOString(),
    'ce-subject': event.subject,
    'ce-datacontenttype': event.contentType,
  };
}

/** As the NATS binding wants what is not plain text in a header: the rest of ASCII and everything beyond it as %XX. */
export function toHeaderValue(text: string): string {
  return text.replaceAll(/[^!#$&-~]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}

/** JSON is the only format of envelopes that is read; others have no codec. */
export function isStructured(mediaType: string): boolean {
  return mediaType === 'application/cloudevents+json';
}

/**
 * Takes an event out of its JSON envelope.
 * @throws ContractError naming the attribute that is missing or not what the subject says
 */
export function unwrapStructured(subject: string, body: Uint8Array): UnwrappedEvent {
  const envelope = parseJson(body);
  if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) {
    throw new ContractError('CONTRACT_INVALID', 'body: is no CloudEvent, which is an object');
  }
  const {
    specversion,
    type,
    datacontenttype = 'application/json',
    data,
    data_base64,
  } = envelope as Record<string, unknown>;
  if (specversion !== SPEC_VERSION) throw invalid('specversion', `must be "${SPEC_VERSION}"`);
  if (type !== subject) throw invalid('type', `must be "${subject}" on this subject`);
  if (typeof datacontenttype !== 'string') throw invalid('datacontenttype', 'must be text');
  if (data_base64 !== undefined && data_base64 !== null)
    return { contentType: datacontenttype, data: fromBase64(data_base64) };
  if (data === undefined) throw invalid('data', 'is missing');
  return { contentType: datacontenttype, data: Buffer.from(JSON.stringify(data)) };
}

/** What Node leaves out of a text that is no Base64 may be half of an event. */
function fromBase64(text: unknown): Uint8Array {
  if (typeof text === 'string' && text.length % 4 === 0 && BASE64.test(text))
    return Buffer.from(text, 'base64');
  throw invalid('data_base64', 'must be Base64');
}

function invalid(attribute: string, reason: string): ContractError {
  return new ContractError('CONTRACT_INVALID', `${attribute}: ${reason}`, attribute);
}
