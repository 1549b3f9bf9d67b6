import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsString, Length, Matches, Max, Min } from 'class-validator';

/** Largest amount of one charge, in minor units: a sum of a thousand of them is still an exact number. */
export const MAX_AMOUNT_MINOR = 1_000_000_000_000;

export class ChargeRequestDto {
  @ApiProperty({ example: 'o-0190c4c7', minLength: 1, maxLength: 128 })
  @IsString()
  @Length(1, 128)
  orderId: string;

  @ApiProperty({
    type: 'integer',
    example: 1999,
    minimum: 1,
    maximum: MAX_AMOUNT_MINOR,
    description: 'In minor units, such as cents',
  })
  @IsInt()
  @Min(1)
  @Max(MAX_AMOUNT_MINOR)
  amountMinor: number;

  @ApiProperty({ example: 'EUR', pattern: '^[A-Z]{3}$', description: 'ISO 4217 code' })
  @IsString()
  @Matches(/^[A-Z]{3}$/, { message: 'currency must be a code of three capital letters' })
  currency: string;
}

export class ChargeDto {
  @ApiProperty({ example: 'ch_Jr3kP0xWq2Zt_4f' }) chargeId: string;
  @ApiProperty() orderId: string;
  @ApiProperty({ type: 'integer', example: 1999 }) amountMinor: number;
  @ApiProperty({ example: 'EUR' }) currency: string;
  @ApiProperty({ enum: ['succeeded', 'declined'] }) status: 'succeeded' | 'declined';
  @ApiProperty({ format: 'date-time' }) createdAt: string;
}

export class ClosedKeyDto {
  @ApiProperty({ enum: ['closed'] }) status: 'closed';
  @ApiProperty({ format: 'date-time' }) createdAt: string;
}

export class RefundDto {
  @ApiProperty({ example: 're_Jr3kP0xWq2Zt_4g' }) refundId: string;
  @ApiProperty() chargeId: string;
  @ApiProperty() orderId: string;
  @ApiProperty({ type: 'integer', example: 1999 }) amountMinor: number;
  @ApiProperty({ example: 'EUR' }) currency: string;
  @ApiProperty({ format: 'date-time' }) createdAt: string;
}

export class StatsDto {
  @ApiProperty({ type: 'integer', description: 'Charges that succeeded' }) charges: number;
  @ApiProperty({ type: 'integer' }) refunds: number;
  @ApiProperty({ type: 'integer', description: 'Orders with at least one succeeded charge' })
  distinctOrders: number;
  @ApiProperty({ type: 'integer', description: 'Succeeded charges beyond the first of their order' })
  duplicateCharges: number;
  @ApiProperty({ type: 'integer', description: 'Charged minus refunded, in minor units' })
  amountMinor: number;
}
