import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Length, MaxLength } from 'class-validator';
import type { Operator } from './api.js';

/** Who does something, and why; kept with what was done. */
export class OperatorDto implements Operator {
  @ApiProperty({ example: 'ada', minLength: 1, maxLength: 100 })
  @IsString()
  @Length(1, 100)
  by: string;

  @ApiPropertyOptional({ maxLength: 500 })
  @IsOptional()
  @IsString()
  @MaxLength(500)
  reason?: string;
}
