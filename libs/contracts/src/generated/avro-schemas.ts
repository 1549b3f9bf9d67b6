// Generated from the .proto files by "npm run generate". Do not edit.

export const avroSchemas: Readonly<Record<string, readonly object[]>> = {
  "inventory.rejected.v1": [
    {
      "type": "record",
      "name": "InventoryRejected",
      "namespace": "slipstream.inventory.v1",
      "doc": "There is too little of something; nothing is reserved.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        },
        {
          "name": "reason",
          "type": "string",
          "doc": "Why, for people."
        }
      ]
    }
  ],
  "inventory.released.v1": [
    {
      "type": "record",
      "name": "InventoryReleased",
      "namespace": "slipstream.inventory.v1",
      "doc": "What was reserved for a cancelled order is given back.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        }
      ]
    }
  ],
  "inventory.reserved.v1": [
    {
      "type": "record",
      "name": "InventoryReserved",
      "namespace": "slipstream.inventory.v1",
      "doc": "Every line of the order is reserved.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        },
        {
          "name": "lines",
          "type": {
            "type": "array",
            "items": {
              "type": "record",
              "name": "OrderLine",
              "namespace": "slipstream.orders.v1",
              "doc": "A line of an order.",
              "fields": [
                {
                  "name": "sku",
                  "type": "string",
                  "doc": "What is ordered."
                },
                {
                  "name": "quantity",
                  "type": "int",
                  "doc": "How many pieces of it."
                },
                {
                  "name": "unit_price_minor",
                  "type": "long",
                  "doc": "Price of one piece in the order's currency."
                }
              ]
            }
          },
          "default": [],
          "doc": "What is reserved."
        }
      ]
    }
  ],
  "orders.cancelled.v1": [
    {
      "type": "record",
      "name": "OrderCancelled",
      "namespace": "slipstream.orders.v1",
      "doc": "The order came to nothing; what was charged and reserved for it is given back.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        },
        {
          "name": "reason",
          "type": "string",
          "doc": "Why, for people."
        }
      ]
    }
  ],
  "orders.confirmed.v1": [
    {
      "type": "record",
      "name": "OrderConfirmed",
      "namespace": "slipstream.orders.v1",
      "doc": "The order is paid and reserved.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        }
      ]
    }
  ],
  "orders.created.v1": [
    {
      "type": "record",
      "name": "OrderCreated",
      "namespace": "slipstream.orders.v1",
      "doc": "Somebody ordered. Five fields are required; the others were added later and say more.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "customer_id",
          "type": "string",
          "doc": "Who ordered."
        },
        {
          "name": "total_amount",
          "type": "double",
          "doc": "Sum of the order. The only money in a float: read as the shortest decimal that means the same double, and rounded half away from zero to the minor unit."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        },
        {
          "name": "currency",
          "type": [
            "null",
            "string"
          ],
          "default": null,
          "doc": "USD when absent."
        },
        {
          "name": "total_minor",
          "type": [
            "null",
            "long"
          ],
          "default": null,
          "doc": "Sum of the order; must agree with total_amount."
        },
        {
          "name": "lines",
          "type": {
            "type": "array",
            "items": {
              "type": "record",
              "name": "OrderLine",
              "namespace": "slipstream.orders.v1",
              "doc": "A line of an order.",
              "fields": [
                {
                  "name": "sku",
                  "type": "string",
                  "doc": "What is ordered."
                },
                {
                  "name": "quantity",
                  "type": "int",
                  "doc": "How many pieces of it."
                },
                {
                  "name": "unit_price_minor",
                  "type": "long",
                  "doc": "Price of one piece in the order's currency."
                }
              ]
            }
          },
          "default": [],
          "doc": "What was ordered; empty when the producer does not say."
        }
      ]
    }
  ],
  "orders.created.v2": [
    {
      "type": "record",
      "name": "OrderCreated",
      "namespace": "slipstream.orders.v2",
      "doc": "Somebody ordered. As v1, without its float.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "customer_id",
          "type": "string",
          "doc": "Who ordered."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        },
        {
          "name": "currency",
          "type": "string",
          "doc": "Currency of all amounts of the order."
        },
        {
          "name": "total_minor",
          "type": "long",
          "doc": "Sum of the order."
        },
        {
          "name": "lines",
          "type": {
            "type": "array",
            "items": {
              "type": "record",
              "name": "OrderLine",
              "namespace": "slipstream.orders.v1",
              "doc": "A line of an order.",
              "fields": [
                {
                  "name": "sku",
                  "type": "string",
                  "doc": "What is ordered."
                },
                {
                  "name": "quantity",
                  "type": "int",
                  "doc": "How many pieces of it."
                },
                {
                  "name": "unit_price_minor",
                  "type": "long",
                  "doc": "Price of one piece in the order's currency."
                }
              ]
            }
          },
          "default": [],
          "doc": "What was ordered; empty when the producer does not say."
        }
      ]
    }
  ],
  "payments.completed.v1": [
    {
      "type": "record",
      "name": "PaymentCompleted",
      "namespace": "slipstream.payments.v1",
      "doc": "The order was charged.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        },
        {
          "name": "charge_id",
          "type": "string",
          "doc": "The provider's id of the charge."
        },
        {
          "name": "amount_minor",
          "type": "long",
          "doc": "What was charged or given back."
        },
        {
          "name": "currency",
          "type": "string",
          "doc": "Currency of the amount."
        }
      ]
    }
  ],
  "payments.failed.v1": [
    {
      "type": "record",
      "name": "PaymentFailed",
      "namespace": "slipstream.payments.v1",
      "doc": "The order was not charged and will not be.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        },
        {
          "name": "reason",
          "type": "string",
          "doc": "Why, for people."
        }
      ]
    }
  ],
  "payments.refunded.v1": [
    {
      "type": "record",
      "name": "PaymentRefunded",
      "namespace": "slipstream.payments.v1",
      "doc": "The charge of a cancelled order was given back.",
      "fields": [
        {
          "name": "message_id",
          "type": "string",
          "doc": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
        },
        {
          "name": "order_id",
          "type": "string",
          "doc": "The order that the event is about."
        },
        {
          "name": "created_at",
          "type": "long",
          "doc": "When it happened."
        },
        {
          "name": "charge_id",
          "type": "string",
          "doc": "The provider's id of the charge."
        },
        {
          "name": "amount_minor",
          "type": "long",
          "doc": "What was charged or given back."
        },
        {
          "name": "currency",
          "type": "string",
          "doc": "Currency of the amount."
        }
      ]
    }
  ]
};
