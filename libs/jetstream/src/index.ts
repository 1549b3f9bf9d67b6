export { JetStreamModule, type JetStreamAsyncOptions } from './jetstream.module.js';
export type { JetStreamOptions } from './jetstream.options.js';
export { connectJetStream } from './connect-jetstream.js';
export { JetStreamConnection } from './connection.js';

export { EventPattern, JETSTREAM_TRANSPORT } from './event-pattern.decorator.js';
export type { BatchOptions, HandlerOptions } from './handler.options.js';
export { JetStreamBatchContext, JetStreamContext } from './server/jetstream.context.js';
export { ErrorIdentityFilter } from './server/error-identity.filter.js';
export { JetStreamServer } from './server/jetstream.server.js';
export { describeRetryPolicy, type RetryPolicy } from './server/retry-policy.js';

export { JetStreamPublisher } from './publish/jetstream.publisher.js';
export type { OutgoingMessage } from './publish/outgoing-message.js';
export type { DecodedMessage, EncodedMessage, MessageCodec } from './codec.js';
export { jsonCodec } from './codec.js';

export type { StreamDefinition } from './topology/stream-definition.js';
export { Topology } from './topology/topology.js';
export type {
  ConsumerLiveness,
  ConsumerPosition,
  PublishedMessage,
  SettledDelivery,
  SettlementOutcome,
  TransportObserver,
} from './observer.js';
export {
  CrashLoopError,
  DeadLetterRequestedError,
  HandlerTimeoutError,
  InvalidHandlerError,
  InvalidMessageError,
  JetStreamError,
  PublishError,
  RetryableError,
  RetryRequestedError,
  TerminalError,
  UndecodableMessageError,
  UnroutableMessageError,
} from './errors.js';
