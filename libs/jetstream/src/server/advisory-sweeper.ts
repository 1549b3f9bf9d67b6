import type { JetStreamManager } from '@nats-io/jetstream';
import { Logger } from '@nestjs/common';
import { JetStreamError } from '../errors.js';
import { resolveHandlerOptions } from '../handler.options.js';
import type { StreamDefinition } from '../topology/stream-definition.js';
import { ADVISORY_STREAM, advisorySubjects } from '../topology/stream-config.js';
import type { DeadLetterQueue } from './dead-letter.js';
import { describeFailure } from './failure.js';
import type { ConsumerPlan } from './routes.js';
import { TERMINATED_BY_HANDLER } from './settle.js';

/** The server stopped delivering a message to a consumer whose limit is set on the server. */
export class ServerGaveUpError extends JetStreamError {
  readonly code = 'JS_SERVER_GAVE_UP';
}

interface Advisory {
  readonly type: string;
  readonly stream: string;
  readonly consumer: string;
  readonly stream_seq: number;
  readonly deliveries: number;
  readonly reason?: string;
}

/**
 * Consumer of the advisories of one stream, as it is declared. Each stream has its own: shared by services that know
 * different streams, it would give one of them advisories that only another can act on.
 */
export function sweeperPlan(
  stream: StreamDefinition,
  handler: (payload: Uint8Array) => unknown = () => undefined,
): ConsumerPlan {
  return {
    stream: ADVISORY_STREAM,
    // An advisory is tried until its message is copied; there is no dead-letter stream for advisories.
    options: resolveHandlerOptions({
      durable: `advisory-sweeper-${stream.name}`,
      maxDeliver: Number.MAX_SAFE_INTEGER,
      raw: true,
    }),
    routes: advisorySubjects(stream.name).map((pattern) => ({
      pattern,
      handler: async (payload: Uint8Array) => handler(payload),
    })),
  };
}

/**
 * Copies messages to their dead-letter stream that the server gave up on, because a consumer was configured elsewhere
 * with a limit, because somebody terminated them outside this transport, or by a defect of its own. The advisories wait in
 * a stream while nobody reads them.
 */
export class AdvisorySweeper {
  private readonly logger = new Logger(AdvisorySweeper.name);

  constructor(
    private readonly streams: readonly StreamDefinition[],
    private readonly manager: () => Promise<JetStreamManager>,
    private readonly deadLettersOf: (stream: StreamDefinition) => DeadLetterQueue,
  ) {}

  /** Consumers of the advisories, each shared by all processes that know its stream. */
  plans(): ConsumerPlan[] {
    return this.streams.map((stream) => sweeperPlan(stream, (payload) => this.sweep(stream, payload)));
  }

  private async sweep(stream: StreamDefinition, payload: Uint8Array): Promise<void> {
    const advisory = parseAdvisory(payload);
    if (!advisory || advisory.reason?.startsWith(TERMINATED_BY_HANDLER)) return;
    const message = await (
      await this.manager()
    ).streams.getMessage(stream.name, { seq: advisory.stream_seq });
    const deliveries = isUndelivered(advisory) ? 0 : advisory.deliveries;
    if (!message) {
      this.logger.warn({ ...advisory }, 'a message the server gave up on is no longer in its stream');
      return;
    }
    await this.deadLettersOf(stream).store({
      message: { subject: message.subject, headers: message.header, data: message.data },
      info: {
        stream: stream.name,
        consumer: advisory.consumer,
        deliveryCount: deliveries,
        streamSequence: advisory.stream_seq,
        consumerSequence: 0,
        timestampMs: message.time.getTime(),
        pending: 0,
      },
      attempt: deliveries,
      failure: describeFailure(new ServerGaveUpError(describe(advisory))),
    });
  }
}

function parseAdvisory(payload: Uint8Array): Advisory | undefined {
  try {
    return JSON.parse(Buffer.from(payload).toString()) as Advisory;
  } catch {
    return undefined;
  }
}

/**
 * nats-server before 2.11.9 counts the deliveries of what it could not send below zero, which is 2^64 - 1, takes that for
 * the limit of a consumer without one, and delivers the message no more.
 * @see https://github.com/nats-io/nats-server/commit/dfdf81c7c
 */
function isUndelivered({ deliveries }: Advisory): boolean {
  return deliveries > Number.MAX_SAFE_INTEGER;
}

function describe(advisory: Advisory): string {
  const { type, consumer, deliveries, reason } = advisory;
  if (type.endsWith('.terminated'))
    return `"${consumer}" terminated the message${reason ? `: ${reason}` : ''}`;
  return isUndelivered(advisory)
    ? `the server dropped the message before "${consumer}" got it, as it may before version 2.11.9`
    : `"${consumer}" did not settle the message in ${deliveries} deliveries, its limit on the server`;
}
