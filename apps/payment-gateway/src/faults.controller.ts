import { Body, Controller, Get, Inject, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { FaultsDto } from './faults.dto.js';
import { Faults, type FaultSettings } from './faults.js';

@ApiTags('faults')
@Controller('faults')
export class FaultsController {
  constructor(@Inject(Faults) private readonly faults: Faults) {}

  @Get()
  @ApiOperation({ summary: 'How charges and refunds misbehave at present' })
  @ApiOkResponse({ type: FaultsDto })
  show(): FaultSettings {
    return this.faults.settings();
  }

  @Put()
  @ApiOperation({ summary: 'Make charges and refunds misbehave from now on' })
  @ApiOkResponse({ type: FaultsDto })
  replace(@Body() settings: FaultsDto): FaultSettings {
    this.faults.set({ mode: settings.mode, ratio: settings.ratio, latencyMs: settings.latencyMs });
    return this.faults.settings();
  }
}
