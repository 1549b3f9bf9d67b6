import { Controller, type Type } from '@nestjs/common';
import { ClientNats, Ctx, Payload } from '@nestjs/microservices';
import { MessagePattern, type RequestContext, type RequestOptions } from '@slipstream/jetstream';
import { natsUrl, uniqueName } from '@slipstream/testing';
import { HandlerScene } from './handler-scene.js';

type Answering = (payload: never, context: RequestContext) => unknown;

/** What goes over the wire. */
export interface Answer {
  readonly response?: unknown;
  readonly err?: unknown;
  readonly isDisposed?: boolean;
  readonly id?: string;
}

/** A subject of a test's own beside its stream, and those who ask on it. */
export class RequestScene extends HandlerScene {
  subject: string;

  override async set(): Promise<void> {
    this.subject = uniqueName('ask');
    await super.set();
  }

  answering(handle: Answering, options?: RequestOptions, pattern: string = this.subject): Type {
    @Controller()
    class AnsweringController {
      @MessagePattern(pattern, options)
      on(@Payload() payload: never, @Ctx() context: RequestContext): unknown {
        return handle(payload, context);
      }
    }
    return AnsweringController;
  }

  nestClient(): ClientNats {
    return this.adopt(new ClientNats({ servers: [natsUrl()] }));
  }

  packet(data: unknown): string {
    return JSON.stringify({ pattern: this.subject, data, id: 'r-1' });
  }

  /** Asks as a plain client does. */
  async ask(body: string): Promise<Answer> {
    return (await this.bystander.nc.request(this.subject, body, { timeout: 10_000 })).json<Answer>();
  }
}
