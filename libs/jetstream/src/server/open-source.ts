import type { JetStreamConnection } from '../connection.js';
import { deliverSubjectOf } from '../delivery-options.js';
import type { Topology } from '../topology/topology.js';
import { BroadcastSource } from './broadcast-source.js';
import type { DeliverySource, SourceListener } from './delivery-source.js';
import { OrderedSource } from './ordered-source.js';
import { OwnConsumer } from './own-consumer.js';
import { PullSubscription } from './pull-subscription.js';
import { PushSubscription } from './push-subscription.js';
import type { ConsumerPlan } from './routes.js';

export interface SourceParts {
  readonly connection: Pick<JetStreamConnection, 'nc' | 'manager' | 'inboxPrefix'>;
  readonly topology: Pick<Topology, 'ensureStreams' | 'restoreConsumer'>;
  /** Tells the consumers of this process from those of others. */
  readonly instance: string;
}

/** Opens the source that delivers in the way the plan declares. */
export function openSource(plan: ConsumerPlan, parts: SourceParts, listener: SourceListener): DeliverySource {
  const { delivery, durable } = plan.options;
  const { nc, inboxPrefix } = parts.connection;
  const stream = plan.stream.name;
  const ensure = () => parts.topology.restoreConsumer(plan);
  switch (delivery) {
    case 'pull':
      return new PullSubscription(nc, { stream, consumer: durable, inboxPrefix }, listener, ensure);
    case 'push': {
      const target = {
        consumer: durable,
        deliverSubject: deliverSubjectOf(stream, plan.options),
        queueGroup: plan.options.queueGroup ?? durable,
      };
      const info = async () => (await parts.connection.manager()).consumers.info(stream, durable);
      return new PushSubscription(nc, target, { ensure, info }, listener);
    }
    case 'ordered':
    case 'broadcast': {
      const Source = delivery === 'ordered' ? OrderedSource : BroadcastSource;
      const consumer = new OwnConsumer(parts.connection, plan, () => parts.topology.ensureStreams());
      return new Source(nc, { stream, durable, instance: parts.instance, inboxPrefix }, consumer, listener);
    }
  }
}
