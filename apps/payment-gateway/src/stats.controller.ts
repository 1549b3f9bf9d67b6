import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { StatsDto } from './charge.dto.js';
import { Ledger, type LedgerStats } from './ledger.js';

@ApiTags('stats')
@Controller('stats')
export class StatsController {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  @Get()
  @ApiOperation({ summary: 'Totals of everything that took effect' })
  @ApiOkResponse({ type: StatsDto })
  show(): LedgerStats {
    return this.ledger.stats();
  }
}
