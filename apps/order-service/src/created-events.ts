import { Inject, Injectable } from '@nestjs/common';
import {
  EventEncoder,
  orderCreatedV1,
  orderCreatedV2,
  type EncodedEvent,
  type OrderCreated,
} from '@slipstream/contracts';
import { CONFIG, type Config } from './config.js';

/** Tells of new orders, in each of the versions that are published at the moment. */
@Injectable()
export class CreatedEvents {
  constructor(
    private readonly events: EventEncoder,
    @Inject(CONFIG) private readonly config: Pick<Config, 'ORDER_CREATED_VERSIONS'>,
  ) {}

  /** Messages of one event: they carry one message id, and consumers act once. */
  encode(order: OrderCreated): EncodedEvent[] {
    return [orderCreatedV1, orderCreatedV2]
      .filter(({ version }) => this.config.ORDER_CREATED_VERSIONS.includes(`v${version}`))
      .map((contract) => this.events.encode(contract, order));
  }
}
