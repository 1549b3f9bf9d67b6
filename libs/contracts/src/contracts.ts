import type { EventContract } from './event-contract.js';
import { inventoryRejectedV1, inventoryReleasedV1, inventoryReservedV1 } from './inventory.js';
import { orderCancelledV1, orderConfirmedV1, orderCreatedV1, orderCreatedV2 } from './orders.js';
import { paymentCompletedV1, paymentFailedV1, paymentRefundedV1 } from './payments.js';

/** Every version of every event. */
export const contracts: readonly EventContract[] = [
  orderCreatedV1,
  orderCreatedV2,
  orderConfirmedV1,
  orderCancelledV1,
  paymentCompletedV1,
  paymentFailedV1,
  paymentRefundedV1,
  inventoryReservedV1,
  inventoryRejectedV1,
  inventoryReleasedV1,
];

/** Of each event the version that handlers are written against. */
export const newestVersions: readonly EventContract[] = contracts.filter(
  ({ name, version }) => !contracts.some((other) => other.name === name && other.version > version),
);
