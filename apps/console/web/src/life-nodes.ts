import type { OrderLife } from '../../src/api.js';

export type LifeMessage = OrderLife['messages'][number];
export type LifeDelivery = LifeMessage['deliveries'][number];

/** A message, the consumers that read it, and below each what its service published because of it. */
export interface LifeNode {
  readonly message: LifeMessage;
  readonly offsetMs: number;
  readonly deliveries: readonly { readonly delivery: LifeDelivery; readonly caused: readonly LifeNode[] }[];
  /** Caused by this message, but by no service that is known to read it. */
  readonly others: readonly LifeNode[];
}

export function toNodes({ messages }: OrderLife): LifeNode[] {
  const beganAt = Date.parse(messages[0]?.at ?? '');
  return messages.filter(({ cause }) => cause === null).map((message) => toNode(message, messages, beganAt));
}

function toNode(message: LifeMessage, all: readonly LifeMessage[], beganAt: number): LifeNode {
  const isCaused = ({ cause }: LifeMessage) =>
    cause?.stream === message.stream && cause.sequence === message.sequence;
  const remaining = new Set(all.filter(isCaused));
  const deliveries = message.deliveries.map((delivery) => {
    const own = [...remaining].filter(({ source }) => source === delivery.service);
    for (const result of own) remaining.delete(result);
    return { delivery, caused: own.map((result) => toNode(result, all, beganAt)) };
  });
  const others = [...remaining].map((result) => toNode(result, all, beganAt));
  return { message, offsetMs: Date.parse(message.at) - beganAt, deliveries, others };
}
