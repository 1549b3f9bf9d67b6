import { ApiProperty } from '@nestjs/swagger';
import { IsNumber, Max, Min } from 'class-validator';
import { MAX_RATE } from './config.js';

export class RateDto {
  @ApiProperty({ example: 100, minimum: 0, maximum: MAX_RATE, description: 'May be a fraction; 0 stops' })
  @IsNumber()
  @Min(0)
  @Max(MAX_RATE)
  ordersPerSecond: number;
}

export class ProducerStatsDto {
  @ApiProperty({ description: 'Orders that were sent, however often each was tried' }) requested: number;
  @ApiProperty() accepted: number;
  @ApiProperty({ description: 'Orders that were refused or given up' }) failed: number;
  @ApiProperty({ description: 'Orders that were due while too many were on their way' }) skipped: number;
  @ApiProperty({ description: 'Orders per second that are asked for' }) rate: number;
}
