export { Inventory, type ConsumerOverview, type StreamOverview } from './inventory.js';
export {
  DeadLetters,
  type DeadLetterFilter,
  type DeadLetterGroup,
  type DeadLetterPage,
} from './dead-letters.js';
export type { DeadLetter, DeadLetterDetail, DecodedBody } from './dead-letter.js';
export { Redrives, type BulkResult, type RedriveOutcome } from './redrives.js';
export {
  ConsumerReviews,
  type ConsumerReview,
  type MissingMessage,
  type Recall,
  type SettledMessage,
} from './consumer-review.js';
export { Replays, type ReplayCount, type ReplayRequest, type ReplayResult } from './replays.js';
export {
  AuditReview,
  type AuditProblem,
  type AuditServices,
  type AuditVerification,
  type ReplayComparison,
  type ReplayDifference,
} from './audit-review.js';
export { describeDurable, type DescribedDurable, type DescribedService } from './description.js';
export { diagnose, type CheckName, type Finding, type Verdict } from './diagnosis.js';
export { gatherFacts, type SystemFacts, type SystemSources } from './system-facts.js';
export { OrderLives, type LifeOptions } from './order-lives.js';
export type { LifeDelivery, LifeMessage, LifeOrder, OrderLife, Reader } from './order-life.js';
export type { Operator } from './operations-record.js';
export {
  BodyGoneError,
  DeadLetterNotFoundError,
  InvalidRequestError,
  NoRedriveConsumerError,
  NotFoundError,
  OperationError,
  ServerTooOldForOperationError,
  ServiceUnavailableError,
  TooLargeError,
  UnknownOriginError,
} from './operations-errors.js';
