import { headers as createHeaders, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { resolveHandlerOptions } from '../handler.options.js';
import { OPERATIONS_STREAM } from '../topology/stream-config.js';
import { restoredHeaders } from './carried-headers.js';
import type { DeliveryInfo } from './delivery-info.js';
import { readHeaders } from './headers.js';
import type { ConsumerPlan } from './routes.js';

/** Redrives that one process handles at the same time beside the messages of the stream. */
const CONCURRENCY = 4;
/** Name of the consumer on `OPERATIONS` that takes what operators send to a durable again. */
export function redriveDurable(stream: string, durable: string): string {
  return `${stream}__${durable}`;
}

/**
 * Subject on `OPERATIONS` of one message that is sent to a durable again; `id` names this redrive for ever and may
 * have several tokens.
 */
export function redriveSubject(stream: string, durable: string, id: string): string {
  return `operations.redrive.${stream}.${durable}.${id}`;
}

/** The consumer of what operators send to a durable again. */
export interface RedrivePlan extends ConsumerPlan {
  /** What the messages are handled by: routes, policy and handler of the durable itself. */
  readonly original: ConsumerPlan;
}

/** The consumer beside a durable through which one message reaches it again, and no other consumer. */
export function redrivePlan(original: ConsumerPlan): RedrivePlan {
  const { durable, concurrency, ackWaitMs, timeoutMs, batch, orderBy } = original.options;
  const options = resolveHandlerOptions({
    durable: redriveDurable(original.stream.name, durable),
    // What operators send again of one key comes in the order they sent it.
    concurrency: orderBy ? 1 : Math.min(concurrency, CONCURRENCY),
    ackWaitMs,
    timeoutMs,
    // One message is a batch for those who want batches.
    ...(batch ? { batch: { size: 1, lingerMs: 0 } } : {}),
  });
  const pattern = redriveSubject(original.stream.name, durable, '>');
  const handler = () => Promise.reject(new Error('handled by the plan of the durable'));
  return { stream: OPERATIONS_STREAM, options, routes: [{ pattern, handler }], original, restore };
}

/** The message as it was when it failed: subject, headers, stream, sequence and time. */
export function restore(message: Msg, info: DeliveryInfo): { message: Msg; info: DeliveryInfo } {
  const headers = readHeaders(message) ?? createHeaders();
  const [, , stream = '', consumer = ''] = message.subject.split('.');
  return {
    message: new RestoredMessage(message, headers),
    info: {
      stream,
      consumer,
      streamSequence: sequenceOf(headers.get('dead-letter-sequence')),
      consumerSequence: info.consumerSequence,
      timestampMs: Date.parse(headers.get('dead-letter-first-at')) || info.timestampMs,
      deliveryCount: info.deliveryCount,
      pending: info.pending,
      redrive: info.streamSequence,
    },
  };
}

/** 0 when it says none: anybody may have written it, and attempts are counted under what it says. */
function sequenceOf(text: string): number {
  const sequence = Number(text);
  return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : 0;
}

/** Settled as what it is, seen as what it was. */
class RestoredMessage implements Msg {
  readonly subject: string;
  readonly headers: MsgHdrs;

  constructor(
    private readonly carrier: Msg,
    headers: MsgHdrs,
  ) {
    this.subject = headers.get('dead-letter-subject');
    this.headers = restoredHeaders(headers);
  }

  get data(): Uint8Array {
    return this.carrier.data;
  }

  get sid(): number {
    return this.carrier.sid;
  }

  get reply(): string | undefined {
    return this.carrier.reply;
  }

  respond: Msg['respond'] = (...answer) => this.carrier.respond(...answer);
  json: Msg['json'] = (reviver) => this.carrier.json(reviver);
  string: Msg['string'] = () => this.carrier.string();
}
