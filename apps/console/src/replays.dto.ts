import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { IsOptional, Matches, ValidateBy } from 'class-validator';
import type { ReplayCount, ReplayCountRequest, ReplayRequest, ReplayResult } from './api.js';
import { isName } from './name.js';
import { OperatorDto } from './operator.dto.js';
import { parsePosition } from './zoned-time.js';

const POSITION = {
  oneOf: [
    { type: 'integer', minimum: 0 },
    { type: 'string', format: 'date-time' },
  ],
};

const isPosition = () =>
  ValidateBy({
    name: 'isPosition',
    validator: {
      validate: (value) =>
        (typeof value === 'number' || typeof value === 'string') && parsePosition(value) !== undefined,
      defaultMessage: () =>
        '$property must be a sequence, or a time with its zone, such as 2026-11-23T12:00:00Z',
    },
  });

export class ReplayRangeDto implements ReplayCountRequest {
  @ApiProperty({ example: 'ORDERS' })
  @isName()
  stream: string;

  @ApiProperty({ example: 'payment-orders' })
  @isName()
  consumer: string;

  @ApiPropertyOptional({ ...POSITION, description: 'First one; the beginning when left out' })
  @IsOptional()
  @isPosition()
  from?: number | string;

  @ApiPropertyOptional({ ...POSITION, description: 'Last one; what there is now when left out' })
  @IsOptional()
  @isPosition()
  to?: number | string;
}

export class ReplayDto extends IntersectionType(ReplayRangeDto, OperatorDto) implements ReplayRequest {
  @ApiProperty({
    description:
      'Names the replay; the same name continues one that was interrupted, so a repeated request sends nothing twice',
  })
  @Matches(/^[\w-]{1,64}$/)
  run: string;
}

export class ReplayCountDto implements ReplayCount {
  @ApiProperty({ description: 'Messages of the range that the consumer reads' }) messages: number;
  @ApiProperty() bytes: number;
  @ApiProperty({ nullable: true, type: Number }) firstSequence: number | null;
  @ApiProperty({ nullable: true, type: Number }) lastSequence: number | null;
}

export class ReplayResultDto extends ReplayCountDto implements ReplayResult {
  @ApiProperty() run: string;
  @ApiProperty({ description: 'Messages that this run had sent before' }) already: number;
}
