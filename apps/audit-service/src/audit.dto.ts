import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';

export class ListSegmentsDto {
  @ApiPropertyOptional({ default: 0, description: 'Last id of the page before.' })
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  after: number = 0;

  @ApiPropertyOptional({ default: 100, minimum: 1, maximum: 1_000 })
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1_000)
  limit: number = 100;
}

export class SegmentDto {
  @ApiProperty() id: number;
  @ApiProperty({ example: 'ORDERS' }) stream: string;
  @ApiProperty({ description: 'Number of the segment in the log of its stream, from 1.' }) number: number;
  @ApiProperty({ description: 'Where the object is in the object store: NDJSON in Zstandard.' })
  object: string;
  @ApiProperty({ description: 'Number of its first record in the log of its stream, from 1.' })
  firstRecord: number;
  @ApiProperty() records: number;
  @ApiProperty() bytes: number;
  @ApiProperty({ description: 'Hash of its last record, which covers every record before it.' })
  chain: string;
  @ApiProperty() createdAt: Date;
}

export class SegmentPageDto {
  @ApiProperty({ type: [SegmentDto] }) segments: SegmentDto[];
  @ApiProperty({ nullable: true, type: Number, description: 'Value of `after` for the next page.' })
  next: number | null;
}

export const PROBLEM_KINDS = [
  'changed',
  'removed',
  'inserted',
  'swapped',
  'truncated',
  'rewritten',
  'forged',
] as const;

export class AuditProblemDto {
  @ApiProperty({ example: 'ORDERS' }) stream: string;
  @ApiProperty({ enum: PROBLEM_KINDS }) kind: (typeof PROBLEM_KINDS)[number];
  @ApiProperty({ nullable: true, type: Number, description: 'First segment concerned.' })
  segment: number | null;
  @ApiProperty({ nullable: true, type: Number, description: 'First record concerned.' })
  record: number | null;
  @ApiProperty({ example: 'the record does not match its hash' }) detail: string;
}

export class VerificationDto {
  @ApiProperty({ description: 'True when every record is there, unchanged and in its place.' }) ok: boolean;
  @ApiProperty() segments: number;
  @ApiProperty() records: number;
  @ApiProperty({ type: [AuditProblemDto], description: 'At most the first thousand.' })
  problems: AuditProblemDto[];
}

/** Final state of an order, by the log alone. */
export class ReplayedOrderDto {
  @ApiProperty() orderId: string;
  @ApiProperty({ enum: ['pending', 'confirmed', 'cancelled'] })
  status: 'pending' | 'confirmed' | 'cancelled';
  @ApiProperty({
    nullable: true,
    type: String,
    description: 'Null when the log does not hold the order itself.',
  })
  customerId: string | null;
  @ApiProperty({ nullable: true, type: String }) currency: string | null;
  @ApiProperty({ nullable: true, type: Number }) totalMinor: number | null;
  @ApiProperty({ nullable: true, type: String, description: 'What in the log cannot be true together.' })
  contradiction: string | null;
}
