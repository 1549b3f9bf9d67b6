// Generated from the .proto files by "npm run generate". Do not edit.

/** There is too little of something; nothing is reserved. */
export interface InventoryRejectedV1 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** When it happened. */
  readonly created_at: number;
  /** Why, for people. */
  readonly reason: string;
}

/** What was reserved for a cancelled order is given back. */
export interface InventoryReleasedV1 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** When it happened. */
  readonly created_at: number;
}

/** Every line of the order is reserved. */
export interface InventoryReservedV1 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** When it happened. */
  readonly created_at: number;
  /** What is reserved. */
  readonly lines?: readonly OrderLineV1[] | undefined;
}

/** The order came to nothing; what was charged and reserved for it is given back. */
export interface OrderCancelledV1 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** When it happened. */
  readonly created_at: number;
  /** Why, for people. */
  readonly reason: string;
}

/** The order is paid and reserved. */
export interface OrderConfirmedV1 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** When it happened. */
  readonly created_at: number;
}

/** Somebody ordered. Five fields are required; the others were added later and say more. */
export interface OrderCreatedV1 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** Who ordered. */
  readonly customer_id: string;
  /** Sum of the order. The only money in a float: read as the shortest decimal that means the same double, and rounded half away from zero to the minor unit. */
  readonly total_amount: number;
  /** When it happened. */
  readonly created_at: number;
  /** USD when absent. */
  readonly currency?: string | undefined;
  /** Sum of the order; must agree with total_amount. */
  readonly total_minor?: number | undefined;
  /** What was ordered; empty when the producer does not say. */
  readonly lines?: readonly OrderLineV1[] | undefined;
}

/** A line of an order. */
export interface OrderLineV1 {
  /** What is ordered. */
  readonly sku: string;
  /** How many pieces of it. */
  readonly quantity: number;
  /** Price of one piece in the order's currency. */
  readonly unit_price_minor: number;
}

/** Somebody ordered. As v1, without its float. */
export interface OrderCreatedV2 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** Who ordered. */
  readonly customer_id: string;
  /** When it happened. */
  readonly created_at: number;
  /** Currency of all amounts of the order. */
  readonly currency: string;
  /** Sum of the order. */
  readonly total_minor: number;
  /** What was ordered; empty when the producer does not say. */
  readonly lines?: readonly OrderLineV1[] | undefined;
}

/** The order was charged. */
export interface PaymentCompletedV1 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** When it happened. */
  readonly created_at: number;
  /** The provider's id of the charge. */
  readonly charge_id: string;
  /** What was charged or given back. */
  readonly amount_minor: number;
  /** Currency of the amount. */
  readonly currency: string;
}

/** The order was not charged and will not be. */
export interface PaymentFailedV1 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** When it happened. */
  readonly created_at: number;
  /** Why, for people. */
  readonly reason: string;
}

/** The charge of a cancelled order was given back. */
export interface PaymentRefundedV1 {
  /** UUIDv7 in events of ours; the same for every copy, version and encoding of the event. */
  readonly message_id: string;
  /** The order that the event is about. */
  readonly order_id: string;
  /** When it happened. */
  readonly created_at: number;
  /** The provider's id of the charge. */
  readonly charge_id: string;
  /** What was charged or given back. */
  readonly amount_minor: number;
  /** Currency of the amount. */
  readonly currency: string;
}
