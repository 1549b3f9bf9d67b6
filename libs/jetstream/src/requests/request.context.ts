import { NatsContext } from '@nestjs/microservices';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { readHeaders } from '../server/headers.js';

/** One request over core NATS, as `@Ctx()` of its handler. Also a `NatsContext`, for handlers that come from Nest's transport. */
export class RequestContext extends NatsContext {
  readonly #abort = new AbortController();

  constructor(message: Msg) {
    super([message.subject, readHeaders(message)]);
  }

  get subject(): string {
    return this.getSubject();
  }

  /** Undefined when there are none, or none that can be read. */
  get headers(): MsgHdrs | undefined {
    return this.getHeaders() as MsgHdrs | undefined;
  }

  /** Aborted when the time-out of the handler passes or the process must stop. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** @internal */
  abort(reason: Error): void {
    this.#abort.abort(reason);
  }
}
