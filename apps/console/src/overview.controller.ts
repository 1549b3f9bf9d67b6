import { Body, Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { JetStreamConnection } from '@slipstream/jetstream';
import { describeDurable, Inventory } from '@slipstream/operations';
import { durablesOf, services } from '../../system.js';
import type { About, ConsumerOverview, Handlers, History, Overview } from './api.js';
import { CONFIG, type Config } from './config.js';
import { AboutDto, ConsumerDto, HandlersDto, HistoryDto, OverviewDto, PauseDto } from './overview.dto.js';
import { Samples } from './samples.js';

@ApiTags('overview')
@Controller('api')
export class OverviewController {
  constructor(
    private readonly connection: JetStreamConnection,
    private readonly inventory: Inventory,
    private readonly samples: Samples,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Get('about')
  @ApiOperation({ summary: 'Whether a token is wanted; answered to everybody' })
  @ApiOkResponse({ type: AboutDto })
  about(): About {
    return { isProtected: this.config.CONSOLE_TOKEN !== undefined };
  }

  @Get('overview')
  @ApiOperation({ summary: 'Streams and consumers as they are now' })
  @ApiOkResponse({ type: OverviewDto })
  async overview(): Promise<Overview> {
    const { streams, consumers } = await this.inventory.survey();
    return { serverVersion: this.connection.nc.info?.version ?? '', streams, consumers };
  }

  @Get('history')
  @ApiOperation({ summary: 'What was seen in the last quarter of an hour' })
  @ApiOkResponse({ type: HistoryDto })
  history(): History {
    return this.samples.history();
  }

  @Get('handlers')
  @ApiOperation({ summary: 'What services declare to handle, and how' })
  @ApiOkResponse({ type: HandlersDto })
  handlers(): Handlers {
    return {
      services: services.map((service) => ({
        name: service.name,
        durables: durablesOf(service).map(describeDurable),
      })),
    };
  }

  @Post('consumers/:stream/:consumer/pause')
  @HttpCode(200)
  @ApiOperation({ summary: 'Deliver nothing to a durable until then, in any process and partition' })
  @ApiOkResponse({ type: ConsumerDto })
  pause(
    @Param('stream') stream: string,
    @Param('consumer') consumer: string,
    @Body() { until }: PauseDto,
  ): Promise<ConsumerOverview> {
    return this.inventory.pause(stream, consumer, new Date(until));
  }

  @Post('consumers/:stream/:consumer/resume')
  @HttpCode(200)
  @ApiOperation({ summary: 'End a pause' })
  @ApiOkResponse({ type: ConsumerDto })
  resume(@Param('stream') stream: string, @Param('consumer') consumer: string): Promise<ConsumerOverview> {
    return this.inventory.resume(stream, consumer);
  }
}
