import {
  CONTENT_TYPES,
  decodeEvent,
  EventEncoder,
  newEvent,
  orderCreatedV1,
  type OrderCreated,
  type ReceivedMessage,
} from '@slipstream/contracts';
import { plainToInstance, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsInt,
  IsNumber,
  IsOptional,
  Matches,
  Max,
  Min,
  ValidateNested,
  validateSync,
} from 'class-validator';
import { randomUUID } from 'node:crypto';
import type { Benchmark, Variant } from './benchmark.js';

/** Also in a quick run: with fewer, the compiler's work is a good part of what is measured. */
const MESSAGES = 50_000;
const COSTS_A_HALF = 2;
const COSTS_A_QUARTER = 4;
const BASELINE = 'JSON.parse + class-validator';

class LineDto {
  @Matches(/^[A-Za-z0-9_.-]{1,64}$/) sku: string;
  @IsInt() @Min(1) @Max(1_000_000) quantity: number;
  @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) unit_price_minor: number;
}

/** The contract of `orders.created.v1` as Nest applications usually write it. */
class OrderDto {
  @Matches(/^[A-Za-z0-9_-]{1,64}$/) message_id: string;
  @Matches(/^[A-Za-z0-9_-]{1,64}$/) order_id: string;
  @Matches(/^[A-Za-z0-9_-]{1,64}$/) customer_id: string;
  @IsNumber() @Min(0) total_amount: number;
  @IsInt() @Min(0) @Max(8_640_000_000_000_000) created_at: number;
  @IsOptional() @Matches(/^[A-Z]{3}$/) currency?: string;
  @IsOptional() @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) total_minor?: number;
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(500)
  @ValidateNested({ each: true })
  @Type(() => LineDto)
  lines?: LineDto[];
}

/**
 * From bytes to the event that a handler gets: decoded, validated, brought up to the newest version; and from the event
 * to bytes. Measured in CPU time: nothing here waits, and whatever else the machine does is none of it. Every second order has the article's fields and the total alone, every other three lines.
 */
export const codecs: Benchmark = {
  name: 'codecs',
  unit: 'messages',
  ratios: CONTENT_TYPES.map((contentType) => ({
    label: `${contentType} / class-validator`,
    of: decodeLabel(contentType),
    to: BASELINE,
    floor: contentType.endsWith('json') ? COSTS_A_HALF : COSTS_A_QUARTER,
  })),
  async prepare() {
    const orders = [order(0), order(3)];
    const bodies = orders.map((event) => Buffer.from(JSON.stringify(orderCreatedV1.encode(event))));
    return {
      variants: [
        repeated('JSON.parse', bodies, (body) => void JSON.parse(body.toString())),
        repeated(BASELINE, bodies, parseAndValidate),
        ...CONTENT_TYPES.flatMap((contentType) => codecVariants(contentType, orders)),
      ],
      settings: { messages: MESSAGES, clock: 'CPU time' },
      close: async () => undefined,
    };
  },
};

function codecVariants(contentType: string, orders: readonly OrderCreated[]): Variant[] {
  const encoder = new EventEncoder({ source: 'bench', publishes: [orderCreatedV1], contentType });
  const messages = orders.map((event): ReceivedMessage => {
    const { subject, data, headers } = encoder.encode(orderCreatedV1, event);
    return { subject, data, header: (name) => headers[name] ?? '' };
  });
  return [
    repeated(decodeLabel(contentType), messages, (message) => void decodeEvent(message)),
    repeated(`${contentType} encode`, orders, (event) => void encoder.encode(orderCreatedV1, event)),
  ];
}

function decodeLabel(contentType: string): string {
  return `${contentType} decode`;
}

function repeated<T>(label: string, inputs: readonly T[], work: (input: T) => void): Variant {
  return {
    label,
    run: async () => {
      const before = process.cpuUsage();
      for (let done = 0; done < MESSAGES; done += inputs.length) inputs.forEach(work);
      const { user, system } = process.cpuUsage(before);
      return { units: MESSAGES, elapsedMs: (user + system) / 1_000 };
    },
  };
}

function parseAndValidate(body: Buffer): void {
  const dto = plainToInstance(OrderDto, JSON.parse(body.toString()) as object);
  const [error] = validateSync(dto);
  if (error) throw new Error(error.toString());
}

function order(lines: number): OrderCreated {
  return {
    ...newEvent(randomUUID()),
    customerId: 'cust-123',
    currency: 'EUR',
    totalMinor: 9_995,
    lines: Array.from({ length: lines }, (_, index) => ({
      sku: `sku-${index}`,
      quantity: 1 + index,
      unitPriceMinor: 1_250,
    })),
  };
}
