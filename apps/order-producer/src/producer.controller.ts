import { Body, Controller, Get, Inject, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ProducerStatsDto, RateDto } from './producer.dto.js';
import { ProducerService, type ProducerStats } from './producer.service.js';

@ApiTags('producer')
@Controller()
export class ProducerController {
  constructor(@Inject(ProducerService) private readonly producer: ProducerService) {}

  @Get('stats')
  @ApiOperation({ summary: 'What became of the orders so far' })
  @ApiOkResponse({ type: ProducerStatsDto })
  stats(): ProducerStats {
    return this.producer.stats();
  }

  @Put('rate')
  @ApiOperation({ summary: 'Create this many orders per second from now on' })
  @ApiOkResponse({ type: ProducerStatsDto })
  setRate(@Body() rate: RateDto): ProducerStats {
    this.producer.setRate(rate.ordersPerSecond);
    return this.producer.stats();
  }
}
