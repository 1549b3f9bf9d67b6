export { ContractError, type ContractErrorCode } from './contract.error.js';
export { newEvent, type EventBase, type EventContract } from './event-contract.js';
export { contracts, newestVersions } from './contracts.js';
export {
  decodeEvent,
  EventEncoder,
  MAX_EVENT_BYTES,
  type DecodedEvent,
  type EncodedEvent,
  type EventEncoderOptions,
  type ReceivedMessage,
} from './event-codec.js';
export { CONTENT_TYPES, DEFAULT_CONTENT_TYPE } from './codecs/content-types.js';
export {
  orderCancelledV1,
  orderConfirmedV1,
  orderCreatedV1,
  orderCreatedV2,
  type OrderCancelled,
  type OrderConfirmed,
  type OrderCreated,
} from './orders.js';
export type { OrderLine } from './wire.js';
export {
  paymentCompletedV1,
  paymentFailedV1,
  paymentRefundedV1,
  type PaymentCompleted,
  type PaymentFailed,
  type PaymentRefunded,
} from './payments.js';
export {
  inventoryRejectedV1,
  inventoryReleasedV1,
  inventoryReservedV1,
  type InventoryRejected,
  type InventoryReleased,
  type InventoryReserved,
} from './inventory.js';
export { newId } from './new-id.js';
export { toMajorUnits, toMinorUnits } from './money.js';
export { streams } from './streams.js';
