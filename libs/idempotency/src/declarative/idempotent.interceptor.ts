import {
  Inject,
  Injectable,
  Optional,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { JetStreamBatchContext, JetStreamContext } from '@slipstream/jetstream';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { EntityManager } from 'typeorm';
import { InvalidIdempotentHandlerError } from '../errors.js';
import type { Inbox } from '../inbox.js';
import { INBOX } from '../inbox.token.js';
import { rememberTransaction } from './transactions.js';

/** Undoes the effects of a handler that asked for another settlement than "handled". */
class Undone extends Error {}

/** Runs a handler as the effect of the application's inbox. */
@Injectable()
export class IdempotentInterceptor implements NestInterceptor {
  private readonly inbox: Inbox<unknown>;

  constructor(@Optional() @Inject(INBOX) inbox?: Inbox<unknown>) {
    if (!inbox) {
      throw new InvalidIdempotentHandlerError(
        '@Idempotent needs an inbox; import IdempotencyModule.forRootAsync({ repository: … }) in the root module',
      );
    }
    this.inbox = inbox;
  }

  intercept(host: ExecutionContext, next: CallHandler): Observable<void> {
    return from(this.handle(host, next));
  }

  private async handle(host: ExecutionContext, next: CallHandler): Promise<void> {
    const context = host.switchToRpc().getContext<JetStreamContext | JetStreamBatchContext>();
    try {
      if ('messages' in context) await this.handleBatch(host, next, context);
      else await this.handleOne(next, context);
    } catch (error) {
      // The transport reads from the context what was asked for.
      if (!(error instanceof Undone)) throw error;
    }
  }

  private async handleOne(next: CallHandler, context: JetStreamContext): Promise<void> {
    await this.inbox.once(context, async (provided) => {
      provide(context, provided);
      await run(next);
      if (context.decision) throw new Undone();
    });
  }

  private async handleBatch(
    host: ExecutionContext,
    next: CallHandler,
    context: JetStreamBatchContext,
  ): Promise<void> {
    const args = host.getArgs<unknown[]>();
    const payloads = args[0] as readonly unknown[];
    const { messages } = context;
    await this.inbox.onceEach(messages, async (provided, fresh) => {
      const wanted = firstOfEach(messages, fresh);
      const picked = context.pick((_, index) => wanted.has(index));
      args[0] = payloads.filter((_, index) => wanted.has(index));
      args[1] = picked;
      provide(picked, provided);
      await run(next);
      if (picked.messages.every(({ decision }) => decision === undefined)) return;
      if (messages.length === 1) throw new Undone();
      // One transaction cannot be undone for some of its messages: the transport runs each of them alone then.
      throw new Error('a handler asked for another settlement of some messages of its batch');
    });
  }
}

async function run(next: CallHandler): Promise<void> {
  await lastValueFrom(next.handle(), { defaultValue: undefined });
}

function provide(context: object, provided: unknown): void {
  if (provided instanceof EntityManager) rememberTransaction(context, provided);
}

/** Positions of the messages that are new; of several copies in a batch the first. */
function firstOfEach(messages: readonly JetStreamContext[], fresh: ReadonlySet<string>): Set<number> {
  const left = new Set(fresh);
  const positions = messages.map(({ messageId }, index) => (left.delete(messageId) ? index : -1));
  return new Set(positions);
}
