import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';

export class ListSegmentsDto {
  @ApiPropertyOptional({ default: 0, description: 'Last id of the page before.' })
  @Type(() => Number)
  @IsInt()
  @Min(0)
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
  @ApiProperty({ description: 'Name of the NDJSON object in the object store.' }) object: string;
  @ApiProperty() records: number;
  @ApiProperty() bytes: number;
  @ApiProperty({ description: 'SHA-256 of the object.' }) sha256: string;
  @ApiProperty({ description: 'SHA-256 over the chain value of the segment before and this sha256.' })
  chain: string;
  @ApiProperty() createdAt: Date;
}

export class SegmentPageDto {
  @ApiProperty({ type: [SegmentDto] }) segments: SegmentDto[];
  @ApiProperty({ nullable: true, type: Number, description: 'Value of `after` for the next page.' })
  next: number | null;
}

export class VerificationDto {
  @ApiProperty({ description: 'True when every segment is there, unchanged and in its place.' }) ok: boolean;
  @ApiProperty() segments: number;
  @ApiProperty() records: number;
  @ApiProperty({ type: [String] }) problems: string[];
}
