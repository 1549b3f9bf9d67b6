import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import { Readable } from 'node:stream';
import { AuditVerifier } from './audit-verifier.js';
import { ListSegmentsDto, ReplayedOrderDto, SegmentPageDto, VerificationDto } from './audit.dto.js';
import { OrderReplay } from './order-replay.js';
import { SegmentsRepository } from './segments.repository.js';

@ApiTags('audit')
@Controller()
export class AuditController {
  constructor(
    private readonly verifier: AuditVerifier,
    private readonly orders: OrderReplay,
    private readonly repository: SegmentsRepository,
  ) {}

  @Get('segments')
  @ApiOkResponse({ type: SegmentPageDto })
  async segments(@Query() { after, limit }: ListSegmentsDto): Promise<SegmentPageDto> {
    const segments = await this.repository.list(after, limit);
    return { segments, next: segments.length === limit ? (segments.at(-1)?.id ?? null) : null };
  }

  /** Takes as long as reading the whole log does. */
  @Get('verify')
  @ApiOkResponse({ type: VerificationDto })
  verify(): Promise<VerificationDto> {
    return this.verifier.verify();
  }

  /** Takes as long as reading the whole log does. */
  @Get('replay')
  @ApiProduces('application/x-ndjson')
  @ApiOkResponse({ type: ReplayedOrderDto, description: 'One line for each order, by order id.' })
  async replay(): Promise<StreamableFile> {
    const orders = await this.orders.run();
    const lines = Readable.from(orders).map((order: ReplayedOrderDto) => `${JSON.stringify(order)}\n`);
    return new StreamableFile(lines, { type: 'application/x-ndjson' });
  }
}
