export { JetStreamModule, type JetStreamAsyncOptions } from './jetstream.module.js';
export type { JetStreamOptions } from './jetstream.options.js';
export { connectJetStream } from './connect-jetstream.js';
export { JetStreamConnection } from './connection.js';
export { CredentialsError, credentialOptions, type NatsCredentials, type Secret } from './credentials.js';
export { natsCredentials, natsEnvironment, type NatsEnvironment } from './nats-environment.js';

export {
  EventPattern,
  JETSTREAM_TRANSPORT,
  OnEvent,
  type BatchHandlerOptions,
  type EventType,
} from './event-pattern.decorator.js';
export {
  describeDelivery,
  type DeliveryMode,
  type DeliveryOptions,
  type StartPosition,
} from './delivery-options.js';
export type { BatchOptions, HandlerOptions, HandlerOverrides } from './handler.options.js';
export { MessagePattern, type RequestOptions, type RequestPattern } from './message-pattern.decorator.js';
export { RequestContext } from './requests/request.context.js';
export { JetStreamBatchContext, JetStreamContext } from './server/jetstream.context.js';
export { ErrorIdentityFilter } from './server/error-identity.filter.js';
export { ServerGaveUpError } from './server/advisory-sweeper.js';
export { OrderNotSupportedError } from './server/keyed-plan.js';
export { OrderingKeyError, type OrderedMessage } from './server/ordering-key.js';
export { JetStreamServer } from './server/jetstream.server.js';
export {
  describeRetryPolicy,
  type Backoff,
  type ErrorClass,
  type ErrorRetry,
  type ExponentialBackoff,
  type RetryPolicy,
} from './server/retry-policy.js';

export { JetStreamClient, type JetStreamClientStatus } from './client/jetstream.client.js';
export { JetStreamRecord, type JetStreamRecordOptions } from './client/jetstream-record.js';
export { nestPacketCodec } from './client/nest-packet.codec.js';
export { NoHandlerError } from './client/no-handler.error.js';

export { JetStreamPublisher } from './publish/jetstream.publisher.js';
export type { BatchAck, BatchReceipt, BatchResult } from './publish/batch.js';
export type { OutgoingMessage, PublishExpectations } from './publish/outgoing-message.js';
export {
  DuplicateInProgressError,
  InsufficientResourcesError,
  InvalidHeaderError,
  InvalidMessageError,
  JetStreamDisabledError,
  MessageTooLargeError,
  NoStreamError,
  PrecedingMessageError,
  PublishConnectionClosedError,
  PublishError,
  PublishNotPermittedError,
  PublishTimeoutError,
  ServerTooOldError,
  StreamFullError,
  StreamLacksFeatureError,
  StreamNotFoundError,
  StreamUnavailableError,
  TooManyRequestsError,
  WrongLastMessageIdError,
  WrongLastSequenceError,
  WrongStreamError,
} from './publish/publish-errors.js';
export type { DecodedMessage, EncodedMessage, MessageCodec } from './codec.js';
export { jsonCodec } from './codec.js';

export { matches as matchesSubject } from './subject.js';
export { deadLetterStream, type StreamDefinition, type StreamLimits } from './topology/stream-definition.js';
export { StreamIndex, type StreamFindings, type StreamPosition, type StreamSearch } from './stream-index.js';
export { Topology } from './topology/topology.js';
export type { ChangeClass, TopologyChange } from './topology/change.js';
export type { ConsumerSettings } from './topology/compare-consumers.js';
export {
  declareTopology,
  plansOf,
  type OwnStorage,
  type ServiceDeclaration,
  type StorageCircumstances,
  type TopologyDeclaration,
} from './topology/declaration.js';
export {
  operatorPermissions,
  provisionerPermissions,
  servicePermissions,
  type Permissions,
} from './topology/permissions.js';
export { applyTopology, planTopology } from './topology/plan-topology.js';
export { OPERATIONS_STREAM, type StreamDefaults, type StreamSettings } from './topology/stream-config.js';
export { TopologyMismatchError, TopologyUnavailableError } from './topology/topology-errors.js';
export { carriedHeaders, restoredHeaders, toHeaderValue } from './server/carried-headers.js';
export { headerOf, isServerAnswer, readHeaders } from './server/headers.js';
export { redriveDurable, redriveSubject } from './server/redrive.js';
export type { ConsumerPlan } from './server/routes.js';
export type {
  ConsumerLiveness,
  ConsumerPosition,
  DeadLettered,
  Failure,
  PublishedMessage,
  SettledDelivery,
  SettlementOutcome,
  StreamState,
  TraceIds,
  TransportObserver,
  TransportSurvey,
} from './observer.js';
export {
  CrashLoopError,
  DeadLetterRequestedError,
  ErrorReplacedError,
  HandlerTimeoutError,
  InvalidHandlerError,
  InvalidOptionsError,
  JetStreamError,
  OutageError,
  RetryableError,
  RetryRequestedError,
  ServerAnswerError,
  TerminalError,
  UndecodableMessageError,
  UnknownDurableError,
  UnroutableMessageError,
} from './errors.js';
