import {
  createInbox,
  headers as createHeaders,
  nuid,
  type Msg,
  type PermissionViolationError,
} from '@nats-io/transport-node';
import { setImmediate } from 'node:timers/promises';
import { ATTEMPT_BUCKET, BIND_KEY, type JetStreamConnection } from '../connection.js';
import type { ConsumerPlan } from '../server/routes.js';
import { TopologyUnavailableError } from './topology-errors.js';

const ANSWER_TIMEOUT_MS = 5_000;
const NO_RESPONDERS = 503;
const BAD_REQUEST = 400;

/**
 * Makes sure, without the permission to look, that what a process uses is there and permitted: asks each subject for
 * something that the server must refuse. Nothing is delivered, stored or acknowledged.
 */
export class Binding {
  constructor(private readonly connection: JetStreamConnection) {}

  /** @throws TopologyUnavailableError naming the durable, or the subject that is not permitted */
  async requireConsumer({ stream, options }: ConsumerPlan): Promise<void> {
    const { durable } = options;
    if (options.delivery !== 'push') await this.requirePull(stream.name, durable);
    // Sign of life for a delivery that never was.
    await this.send(`$JS.ACK.${stream.name}.${durable}.1.0.0.0.0`, '+WPI');
    if (stream.deadLetterSubject !== '') await this.requireStream(stream.deadLetterSubject);
  }

  /** @throws TopologyUnavailableError when no stream holds the subject, or it is not permitted to publish on it */
  async requireStream(subject: string): Promise<void> {
    const headers = createHeaders();
    // No stream has this name, so whichever holds the subject refuses to store the message.
    headers.set('Nats-Expected-Stream', `none-${nuid.next()}`);
    const answer = await this.ask(subject, '', headers);
    if (answer.headers?.code === NO_RESPONDERS) {
      throw new TopologyUnavailableError(
        `no stream holds "${subject}"; create it with "slipstream streams apply", or start with topology "ensure"`,
      );
    }
  }

  /** @throws TopologyUnavailableError when the bucket that counts attempts is missing or not permitted */
  async requireAttempts(): Promise<void> {
    const key = `$KV.${ATTEMPT_BUCKET}.${BIND_KEY}`;
    await this.requireStream(key);
    const answer = await this.ask(`$JS.API.DIRECT.GET.KV_${ATTEMPT_BUCKET}.${key}`, '');
    if (answer.headers?.code === NO_RESPONDERS) {
      throw new TopologyUnavailableError(`the bucket ${ATTEMPT_BUCKET} does not allow direct reads`);
    }
  }

  private async requirePull(stream: string, durable: string): Promise<void> {
    const next = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`;
    // A batch that is no number: refused by the consumer, and by nobody when there is none.
    const answer = await this.ask(next, '{"batch":"none"}');
    const { code = 0, description = '' } = answer.headers ?? {};
    if (code === NO_RESPONDERS) {
      throw new TopologyUnavailableError(
        `stream ${stream} has no durable "${durable}", or has no leader at the moment; create it with ` +
          '"slipstream streams apply", or start with topology "ensure"',
      );
    }
    if (code !== BAD_REQUEST) {
      throw new TopologyUnavailableError(
        `durable "${durable}" of stream ${stream} cannot be pulled from: ${code} ${description}`,
      );
    }
  }

  private async ask(subject: string, body: string, headers?: ReturnType<typeof createHeaders>): Promise<Msg> {
    const { nc, inboxPrefix } = this.connection;
    const reply = createInbox(inboxPrefix);
    const { promise, resolve, reject } = Promise.withResolvers<Msg>();
    const subscription = nc.subscribe(reply, {
      max: 1,
      callback: (error, message) => (error ? reject(error) : resolve(message)),
    });
    const unavailable = (cause?: unknown) =>
      new TopologyUnavailableError(`no answer on "${subject}"`, subject, { cause });
    const timer = setTimeout(() => reject(unavailable()), ANSWER_TIMEOUT_MS);
    // Whoever of the two fails first says why.
    promise.catch(() => undefined);
    try {
      await this.send(subject, body, { reply, ...(headers ? { headers } : {}) });
      return await promise;
    } catch (cause) {
      throw cause instanceof TopologyUnavailableError ? cause : unavailable(cause);
    } finally {
      clearTimeout(timer);
      subscription.unsubscribe();
    }
  }

  /** The server tells of a violation on the connection, and before it answers the ping of a flush. */
  private async send(
    subject: string,
    body: string,
    options: Parameters<JetStreamConnection['nc']['publish']>[2] = {},
  ): Promise<void> {
    const { nc } = this.connection;
    let violation: PermissionViolationError | undefined;
    const stop = this.connection.onViolation((error) => {
      if (error.subject === subject || error.subject === options.reply) violation ??= error;
    });
    try {
      nc.publish(subject, body, options);
      await nc.flush();
      await setImmediate();
    } finally {
      stop();
    }
    if (violation) {
      throw new TopologyUnavailableError(
        `the user of the connection may not ${violation.operation === 'subscription' ? 'subscribe to' : 'publish on'} ` +
          `"${violation.subject}"; grant it`,
        violation.subject,
        { cause: violation },
      );
    }
  }
}
