import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsDefined,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import type {
  BulkOutcome,
  BulkRequest,
  DeadLetter,
  DeadLetterDetail,
  DeadLetterGroup,
  DeadLetterGroups,
  DeadLetterPage,
  DeadLetterQuery,
  Outcome,
  RedriveRequest,
} from './api.js';
import { isName } from './name.js';
import { OperatorDto } from './operator.dto.js';

export class DeadLetterFilterDto implements DeadLetterQuery {
  @ApiPropertyOptional({ example: 'ORDERS', description: 'Stream the messages come from' })
  @IsOptional()
  @isName()
  stream?: string;

  @ApiPropertyOptional({ example: 'payment-orders', description: 'Empty: those that name none' })
  @IsOptional()
  @IsString()
  @MaxLength(255)
  consumer?: string;

  @ApiPropertyOptional({ example: 'UndecodableMessageError' })
  @IsOptional()
  @IsString()
  @MaxLength(255)
  errorClass?: string;

  @ApiPropertyOptional({ example: 'JETSTREAM_UNDECODABLE_MESSAGE' })
  @IsOptional()
  @IsString()
  @MaxLength(255)
  errorCode?: string;
}

export class ListDeadLettersDto extends DeadLetterFilterDto {
  @ApiPropertyOptional({ example: 'ORDERS:42', description: 'Last id of the page before' })
  @IsOptional()
  @IsString()
  @MaxLength(300)
  after?: string;

  @ApiPropertyOptional({ default: 50, minimum: 1, maximum: 1_000 })
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1_000)
  limit: number = 50;
}

export class DeadLetterDto implements DeadLetter {
  @ApiProperty({ example: 'ORDERS:42' }) id: string;
  @ApiProperty({ example: 'ORDERS' }) stream: string;
  @ApiProperty() sequence: number;
  @ApiProperty({ example: 'orders.created.v1' }) subject: string;
  @ApiProperty({ example: 'payment-orders' }) consumer: string;
  @ApiProperty() errorCode: string;
  @ApiProperty() errorClass: string;
  @ApiProperty() errorMessage: string;
  @ApiProperty() attempts: number;
  @ApiProperty({ format: 'date-time' }) firstAt: string;
  @ApiProperty({ format: 'date-time' }) lastAt: string;
  @ApiProperty() service: string;
  @ApiProperty() traceId: string;
  @ApiProperty({ nullable: true, type: Number, description: 'Null when the body was too large to be copied' })
  bytes: number | null;
}

export class DeadLetterDetailDto extends DeadLetterDto implements DeadLetterDetail {
  @ApiProperty() stack: string;
  @ApiProperty() serviceVersion: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'array', items: { type: 'string' } },
    description: 'Headers the message came with; "gone" when they are no longer known',
  })
  headers: DeadLetterDetail['headers'];
  @ApiProperty({ type: 'object', additionalProperties: true, description: 'As far as it can be read' })
  body: DeadLetterDetail['body'];
}

export class DeadLetterPageDto implements DeadLetterPage {
  @ApiProperty({ type: [DeadLetterDto] }) letters: readonly DeadLetterDto[];
  @ApiProperty({ nullable: true, type: String, description: 'Value of `after` for the next page' })
  next: string | null;
}

export class DeadLetterGroupDto implements DeadLetterGroup {
  @ApiProperty() stream: string;
  @ApiProperty() consumer: string;
  @ApiProperty() errorCode: string;
  @ApiProperty() errorClass: string;
  @ApiProperty() count: number;
  @ApiProperty({ format: 'date-time' }) firstAt: string;
  @ApiProperty({ format: 'date-time' }) lastAt: string;
  @ApiProperty() newestId: string;
  @ApiProperty() newestMessage: string;
}

export class DeadLetterGroupsDto implements DeadLetterGroups {
  @ApiProperty({ type: [DeadLetterGroupDto] }) groups: readonly DeadLetterGroupDto[];
}

export class RedriveDto extends OperatorDto implements RedriveRequest {
  @ApiPropertyOptional({ description: 'Text to send instead of the original body' })
  @IsOptional()
  @IsString()
  body?: string;
}

export class OutcomeDto implements Outcome {
  @ApiProperty({ enum: ['done', 'already'], description: '`already`: somebody else did it before' })
  outcome: Outcome['outcome'];
}

export class BulkDto extends OperatorDto implements BulkRequest {
  @ApiProperty()
  @IsDefined()
  @IsObject()
  @ValidateNested()
  @Type(() => DeadLetterFilterDto)
  filter: DeadLetterFilterDto;
}

class FailureDto {
  @ApiProperty() id: string;
  @ApiProperty() code: string;
  @ApiProperty() message: string;
  @ApiProperty() nextStep: string;
}

export class BulkOutcomeDto implements BulkOutcome {
  @ApiProperty() done: number;
  @ApiProperty({ description: 'Dealt with by somebody else before' }) already: number;
  @ApiProperty({ description: 'How many could not be dealt with' }) failed: number;
  @ApiProperty({ type: [FailureDto], description: 'Of those the first hundred' })
  failures: readonly FailureDto[];
}
