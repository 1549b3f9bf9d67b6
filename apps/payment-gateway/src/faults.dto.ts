import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsInt, IsNumber, Max, Min } from 'class-validator';
import { FAULT_MODES, type FaultMode } from './faults.js';

const MAX_LATENCY_MS = 60_000;

export class FaultsDto {
  @ApiProperty({ enum: FAULT_MODES })
  @IsIn(FAULT_MODES)
  mode: FaultMode;

  @ApiProperty({
    required: false,
    default: 1,
    minimum: 0,
    maximum: 1,
    description: 'Share of requests that suffer',
  })
  @IsNumber()
  @Min(0)
  @Max(1)
  ratio: number = 1;

  @ApiProperty({
    required: false,
    default: 0,
    minimum: 0,
    maximum: MAX_LATENCY_MS,
    description: 'Delay in mode slow',
  })
  @IsInt()
  @Min(0)
  @Max(MAX_LATENCY_MS)
  latencyMs: number = 0;
}
