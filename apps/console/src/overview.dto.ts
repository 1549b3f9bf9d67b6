import { ApiProperty } from '@nestjs/swagger';
import type {
  About,
  ConsumerOverview,
  DescribedDurable,
  DescribedService,
  Handlers,
  History,
  Overview,
  PauseRequest,
  Series,
  StreamOverview,
} from './api.js';
import { isName } from './name.js';
import { OperatorDto } from './operator.dto.js';
import { IsZonedTime } from './zoned-time.js';

const NULLABLE_NUMBER = { nullable: true, type: Number } as const;
const NULLABLE_TIME = { nullable: true, type: String, format: 'date-time' } as const;
const SERIES = {
  type: 'object',
  additionalProperties: { type: 'array', items: { type: 'number', nullable: true } },
} as const;

export class AboutDto implements About {
  @ApiProperty() isProtected: boolean;
}

class StreamDto implements StreamOverview {
  @ApiProperty({ example: 'ORDERS' }) name: string;
  @ApiProperty({ type: [String] }) subjects: readonly string[];
  @ApiProperty() messages: number;
  @ApiProperty() bytes: number;
  @ApiProperty() firstSequence: number;
  @ApiProperty(NULLABLE_TIME) firstAt: string | null;
  @ApiProperty() lastSequence: number;
  @ApiProperty(NULLABLE_TIME) lastAt: string | null;
  @ApiProperty(NULLABLE_NUMBER) maxAgeMs: number | null;
  @ApiProperty(NULLABLE_NUMBER) maxBytes: number | null;
  @ApiProperty() replicas: number;
  @ApiProperty() consumers: number;
}

export class ConsumerDto implements ConsumerOverview {
  @ApiProperty({ example: 'ORDERS' }) stream: string;
  @ApiProperty({ example: 'payment-orders' }) name: string;
  @ApiProperty({ type: [String] }) filters: readonly string[];
  @ApiProperty({ description: 'Messages not delivered yet' }) lag: number;
  @ApiProperty({ description: 'Messages delivered and not settled yet' }) ackPending: number;
  @ApiProperty({ description: 'Of those, delivered more than once' }) redelivered: number;
  @ApiProperty({ description: 'Sequence up to which everything is settled' }) ackFloor: number;
  @ApiProperty({ description: 'Deliveries so far, repeated ones included' }) deliveries: number;
  @ApiProperty({ description: 'Deliveries settled so far, up to the first that is not' }) settled: number;
  @ApiProperty(NULLABLE_TIME) lastDeliveredAt: string | null;
  @ApiProperty(NULLABLE_TIME) pausedUntil: string | null;
}

export class OverviewDto implements Overview {
  @ApiProperty({ example: '2.15.1' }) serverVersion: string;
  @ApiProperty({ type: [StreamDto] }) streams: readonly StreamDto[];
  @ApiProperty({ type: [ConsumerDto] }) consumers: readonly ConsumerDto[];
}

export class HistoryDto implements History {
  @ApiProperty({ description: 'Seconds between two samples' }) intervalS: number;
  @ApiProperty({ type: [Number], description: 'Epoch seconds, ascending' }) times: readonly number[];
  @ApiProperty({ ...SERIES, description: 'By stream: messages stored per second' })
  published: Record<string, Series>;
  @ApiProperty({ ...SERIES, description: 'By stream/consumer: messages that wait to be delivered' })
  lag: Record<string, Series>;
  @ApiProperty({
    ...SERIES,
    description: 'By stream/consumer: deliveries settled per second, up to the first that is not',
  })
  settled: Record<string, Series>;
  @ApiProperty({
    ...SERIES,
    description: 'By stream/consumer: deliveries per second, repeated ones included',
  })
  delivered: Record<string, Series>;
  @ApiProperty({ ...SERIES, description: 'By stream they come from: dead letters that are there' })
  deadLetters: Record<string, Series>;
}

class DeadLetterPlaceDto {
  @ApiProperty({ example: 'ORDERS_DLQ' }) stream: string;
  @ApiProperty({ example: 'orders.dlq' }) subject: string;
}

class DescribedDurableDto implements DescribedDurable {
  @ApiProperty({ example: 'payment-orders' }) durable: string;
  @ApiProperty({ example: 'ORDERS' }) stream: string;
  @ApiProperty({ type: [String] }) subjects: readonly string[];
  @ApiProperty({ description: 'How messages come and from where on, in words' }) mode: string;
  @ApiProperty({ description: 'What one process handles at the same time, in words' }) delivery: string;
  @ApiProperty({ description: 'Attempts, delays and what ends them, in words' }) retry: string;
  @ApiProperty() deadLetters: DeadLetterPlaceDto;
  @ApiProperty() ackWaitMs: number;
  @ApiProperty() timeoutMs: number;
}

class DescribedServiceDto implements DescribedService {
  @ApiProperty({ example: 'payment-service' }) name: string;
  @ApiProperty({ type: [DescribedDurableDto] }) durables: readonly DescribedDurableDto[];
}

export class HandlersDto implements Handlers {
  @ApiProperty({ type: [DescribedServiceDto] }) services: readonly DescribedServiceDto[];
}

/** Names of streams and consumers, as NATS has them. */
export class ConsumerPlaceDto {
  @ApiProperty({ example: 'ORDERS' })
  @isName()
  stream: string;

  @ApiProperty({ example: 'payment-orders' })
  @isName()
  consumer: string;
}

export class PauseDto extends OperatorDto implements PauseRequest {
  @ApiProperty({ format: 'date-time', description: 'In the future, with its zone' })
  @IsZonedTime()
  until: string;
}
