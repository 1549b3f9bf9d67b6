// Generated from the .proto files by "npm run generate". Do not edit.

export const jsonSchemas: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "inventory.rejected.v1": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:inventory.rejected.v1",
    "title": "inventory.rejected.v1",
    "description": "There is too little of something; nothing is reserved.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      },
      "reason": {
        "type": "string",
        "description": "Why, for people."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "created_at",
      "reason"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "created_at": 1720000000000,
        "reason": "payment failed: card declined"
      }
    ]
  },
  "inventory.released.v1": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:inventory.released.v1",
    "title": "inventory.released.v1",
    "description": "What was reserved for a cancelled order is given back.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "created_at"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "created_at": 1720000000000
      }
    ]
  },
  "inventory.reserved.v1": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:inventory.reserved.v1",
    "title": "inventory.reserved.v1",
    "description": "Every line of the order is reserved.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      },
      "lines": {
        "type": "array",
        "items": {
          "description": "A line of an order.",
          "type": "object",
          "properties": {
            "sku": {
              "type": "string",
              "pattern": "^[A-Za-z0-9_.-]{1,64}$",
              "description": "What is ordered."
            },
            "quantity": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000,
              "description": "How many pieces of it."
            },
            "unit_price_minor": {
              "type": "integer",
              "minimum": 0,
              "maximum": 9007199254740990,
              "description": "Price of one piece in the order's currency."
            }
          },
          "required": [
            "sku",
            "quantity",
            "unit_price_minor"
          ]
        },
        "maxItems": 500,
        "description": "What is reserved."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "created_at"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "created_at": 1720000000000,
        "lines": [
          {
            "sku": "sku-1",
            "quantity": 1,
            "unit_price_minor": 9995
          }
        ]
      }
    ]
  },
  "orders.cancelled.v1": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:orders.cancelled.v1",
    "title": "orders.cancelled.v1",
    "description": "The order came to nothing; what was charged and reserved for it is given back.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      },
      "reason": {
        "type": "string",
        "description": "Why, for people."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "created_at",
      "reason"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "created_at": 1720000000000,
        "reason": "payment failed: card declined"
      }
    ]
  },
  "orders.confirmed.v1": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:orders.confirmed.v1",
    "title": "orders.confirmed.v1",
    "description": "The order is paid and reserved.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "created_at"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "created_at": 1720000000000
      }
    ]
  },
  "orders.created.v1": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:orders.created.v1",
    "title": "orders.created.v1",
    "description": "Somebody ordered. Five fields are required; the others were added later and say more.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "customer_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "Who ordered."
      },
      "total_amount": {
        "type": "number",
        "minimum": 0,
        "description": "Sum of the order. The only money in a float: read as the shortest decimal that means the same double, and rounded half away from zero to the minor unit."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      },
      "currency": {
        "type": "string",
        "pattern": "^[A-Z]{3}$",
        "description": "USD when absent."
      },
      "total_minor": {
        "type": "integer",
        "minimum": 0,
        "maximum": 9007199254740990,
        "description": "Sum of the order; must agree with total_amount."
      },
      "lines": {
        "type": "array",
        "items": {
          "description": "A line of an order.",
          "type": "object",
          "properties": {
            "sku": {
              "type": "string",
              "pattern": "^[A-Za-z0-9_.-]{1,64}$",
              "description": "What is ordered."
            },
            "quantity": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000,
              "description": "How many pieces of it."
            },
            "unit_price_minor": {
              "type": "integer",
              "minimum": 0,
              "maximum": 9007199254740990,
              "description": "Price of one piece in the order's currency."
            }
          },
          "required": [
            "sku",
            "quantity",
            "unit_price_minor"
          ]
        },
        "maxItems": 500,
        "description": "What was ordered; empty when the producer does not say."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "customer_id",
      "total_amount",
      "created_at"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "customer_id": "cust-123",
        "total_amount": 99.95,
        "created_at": 1720000000000,
        "currency": "USD",
        "total_minor": 9995,
        "lines": [
          {
            "sku": "sku-1",
            "quantity": 1,
            "unit_price_minor": 9995
          }
        ]
      }
    ]
  },
  "orders.created.v2": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:orders.created.v2",
    "title": "orders.created.v2",
    "description": "Somebody ordered. As v1, without its float.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "customer_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "Who ordered."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      },
      "currency": {
        "type": "string",
        "pattern": "^[A-Z]{3}$",
        "description": "Currency of all amounts of the order."
      },
      "total_minor": {
        "type": "integer",
        "minimum": 0,
        "maximum": 9007199254740990,
        "description": "Sum of the order."
      },
      "lines": {
        "type": "array",
        "items": {
          "description": "A line of an order.",
          "type": "object",
          "properties": {
            "sku": {
              "type": "string",
              "pattern": "^[A-Za-z0-9_.-]{1,64}$",
              "description": "What is ordered."
            },
            "quantity": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000,
              "description": "How many pieces of it."
            },
            "unit_price_minor": {
              "type": "integer",
              "minimum": 0,
              "maximum": 9007199254740990,
              "description": "Price of one piece in the order's currency."
            }
          },
          "required": [
            "sku",
            "quantity",
            "unit_price_minor"
          ]
        },
        "maxItems": 500,
        "description": "What was ordered; empty when the producer does not say."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "customer_id",
      "created_at",
      "currency",
      "total_minor"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "customer_id": "cust-123",
        "created_at": 1720000000000,
        "currency": "USD",
        "total_minor": 9995,
        "lines": [
          {
            "sku": "sku-1",
            "quantity": 1,
            "unit_price_minor": 9995
          }
        ]
      }
    ]
  },
  "payments.completed.v1": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:payments.completed.v1",
    "title": "payments.completed.v1",
    "description": "The order was charged.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      },
      "charge_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The provider's id of the charge."
      },
      "amount_minor": {
        "type": "integer",
        "minimum": 0,
        "maximum": 9007199254740990,
        "description": "What was charged or given back."
      },
      "currency": {
        "type": "string",
        "pattern": "^[A-Z]{3}$",
        "description": "Currency of the amount."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "created_at",
      "charge_id",
      "amount_minor",
      "currency"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "created_at": 1720000000000,
        "charge_id": "ch_123",
        "amount_minor": 9995,
        "currency": "USD"
      }
    ]
  },
  "payments.failed.v1": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:payments.failed.v1",
    "title": "payments.failed.v1",
    "description": "The order was not charged and will not be.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      },
      "reason": {
        "type": "string",
        "description": "Why, for people."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "created_at",
      "reason"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "created_at": 1720000000000,
        "reason": "payment failed: card declined"
      }
    ]
  },
  "payments.refunded.v1": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:slipstream:payments.refunded.v1",
    "title": "payments.refunded.v1",
    "description": "The charge of a cancelled order was given back.",
    "type": "object",
    "properties": {
      "message_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "UUIDv7 in events of ours; the same for every copy, version and encoding of the event."
      },
      "order_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The order that the event is about."
      },
      "created_at": {
        "type": "integer",
        "minimum": 0,
        "maximum": 8640000000000000,
        "description": "When it happened."
      },
      "charge_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": "The provider's id of the charge."
      },
      "amount_minor": {
        "type": "integer",
        "minimum": 0,
        "maximum": 9007199254740990,
        "description": "What was charged or given back."
      },
      "currency": {
        "type": "string",
        "pattern": "^[A-Z]{3}$",
        "description": "Currency of the amount."
      }
    },
    "required": [
      "message_id",
      "order_id",
      "created_at",
      "charge_id",
      "amount_minor",
      "currency"
    ],
    "examples": [
      {
        "message_id": "0190b2f4-7d6c-7a3e-8f00-000000000001",
        "order_id": "0190b2f4-7d6c-7a3e-8f00-000000000002",
        "created_at": 1720000000000,
        "charge_id": "ch_123",
        "amount_minor": 9995,
        "currency": "USD"
      }
    ]
  }
};
