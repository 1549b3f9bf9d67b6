import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';

export class SetStockDto {
  @ApiProperty({ example: 100, minimum: 0 })
  @IsInt()
  @Min(0)
  @Max(1_000_000_000)
  onHand: number;
}

export class StockDto {
  @ApiProperty() sku: string;
  @ApiProperty() onHand: number;
  @ApiProperty() reserved: number;
  @ApiProperty({ description: 'Pieces on hand that no order has reserved.' }) available: number;
}
