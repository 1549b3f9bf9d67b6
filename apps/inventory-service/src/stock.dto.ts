import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';

const MAX_ON_HAND = 1_000_000_000;

export class SetStockDto {
  @ApiProperty({ type: 'integer', example: 100, minimum: 0, maximum: MAX_ON_HAND })
  @IsInt()
  @Min(0)
  @Max(MAX_ON_HAND)
  onHand: number;
}

export class StockDto {
  @ApiProperty() sku: string;
  @ApiProperty({ type: 'integer' }) onHand: number;
  @ApiProperty({ type: 'integer' }) reserved: number;
  @ApiProperty({ type: 'integer', description: 'Pieces on hand that no order has reserved.' })
  available: number;
}
