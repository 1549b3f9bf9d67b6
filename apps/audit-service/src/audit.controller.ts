import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { AuditLog } from './audit-log.js';
import { ListSegmentsDto, SegmentPageDto, VerificationDto } from './audit.dto.js';
import { SegmentsRepository } from './segments.repository.js';

@ApiTags('audit')
@Controller()
export class AuditController {
  constructor(
    private readonly log: AuditLog,
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
    return this.log.verify();
  }
}
