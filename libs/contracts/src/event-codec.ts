import { z } from 'zod';
import { ContractError } from './contract.error.js';
import type { EventBase, EventContract } from './event-contract.js';
import { inventoryRejectedV1, inventoryReleasedV1, inventoryReservedV1 } from './inventory.js';
import { orderCancelledV1, orderConfirmedV1, orderCreatedV1, orderCreatedV2 } from './orders.js';
import { paymentCompletedV1, paymentFailedV1, paymentRefundedV1 } from './payments.js';

const contracts: readonly EventContract[] = [
  orderCreatedV1,
  orderCreatedV2,
  orderConfirmedV1,
  orderCancelledV1,
  paymentCompletedV1,
  paymentFailedV1,
  paymentRefundedV1,
  inventoryReservedV1,
  inventoryRejectedV1,
  inventoryReleasedV1,
];

const bySubject = new Map(contracts.map((contract) => [contract.subject, contract]));
const utf8 = new TextDecoder('utf-8', { fatal: true });

interface Headers {
  get(name: string): string;
}

/** An event ready to be stored or published. */
export interface EncodedEvent {
  readonly subject: string;
  /** `<message id>/v<version>`: two versions of one event are two messages of the stream, but one event. */
  readonly messageId: string;
  readonly headers: Record<string, string>;
  readonly data: Uint8Array;
  /** Id of the order, by which events are kept in order. */
  readonly aggregateId: string;
}

export interface DecodedEvent {
  readonly payload: EventBase;
  readonly messageId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * Reads an event of any known version as the newest one.
 * @throws ContractError naming the field that breaks the contract
 */
export function decodeEvent(message: {
  readonly subject: string;
  readonly headers?: Headers | undefined;
  readonly data: Uint8Array;
}): DecodedEvent {
  const contract = bySubject.get(message.subject);
  if (!contract) {
    throw new ContractError('CONTRACT_UNKNOWN_EVENT', `no contract describes "${message.subject}"`);
  }
  const contentType = message.headers?.get('content-type') ?? '';
  if (contentType !== '' && !/^application\/json\b/i.test(contentType)) {
    throw new ContractError(
      'CONTRACT_UNSUPPORTED_CONTENT_TYPE',
      `content-type "${contentType}" is not supported`,
    );
  }
  const payload = validate(contract, parseJson(message.data));
  return { payload, messageId: payload.messageId, attributes: { order_id: payload.orderId } };
}

/** Writes an event with its CloudEvents 1.0 headers (binary mode of the NATS binding). `source` is the service. */
export function encodeEvent<Event extends EventBase>(
  contract: EventContract<Event>,
  event: Event,
  source: string,
): EncodedEvent {
  return {
    subject: contract.subject,
    messageId: `${event.messageId}/v${contract.version}`,
    aggregateId: event.orderId,
    data: Buffer.from(JSON.stringify(contract.encode(event))),
    headers: {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': event.messageId,
      'ce-type': contract.subject,
      'ce-source': `/${source}`,
      'ce-time': new Date(event.createdAt).toISOString(),
      'ce-subject': event.orderId,
    },
  };
}

function parseJson(data: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(data));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ContractError('CONTRACT_MALFORMED', `body is not JSON: ${reason}`, undefined, { cause });
  }
}

function validate(contract: EventContract, wire: unknown): EventBase {
  try {
    return contract.decode(wire);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    const path = toPath(issue?.path ?? []);
    const reason = `${path || 'body'}: ${issue?.message ?? 'invalid'}`;
    throw new ContractError('CONTRACT_INVALID', reason, path, { cause: error });
  }
}

function toPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  );
}
