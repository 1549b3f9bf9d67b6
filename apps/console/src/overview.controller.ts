import { Body, Get, HttpCode, Logger, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { JetStreamConnection } from '@slipstream/jetstream';
import { describeDurable, Inventory } from '@slipstream/operations';
import { durablesOf, services } from '../../system.js';
import type { ConsumerOverview, Handlers, History, Overview } from './api.js';
import {
  ConsumerDto,
  ConsumerPlaceDto,
  HandlersDto,
  HistoryDto,
  OverviewDto,
  PauseDto,
} from './overview.dto.js';
import { OperatorDto } from './operator.dto.js';
import { Samples } from './samples.js';
import { GuardedController } from './guarded-controller.decorator.js';

@ApiTags('overview')
@GuardedController()
export class OverviewController {
  // The server keeps nothing of who did it.
  private readonly logger = new Logger(OverviewController.name);

  constructor(
    private readonly connection: JetStreamConnection,
    private readonly inventory: Inventory,
    private readonly samples: Samples,
  ) {}

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
  async pause(
    @Param() { stream, consumer }: ConsumerPlaceDto,
    @Body() { until, by, reason }: PauseDto,
  ): Promise<ConsumerOverview> {
    const paused = await this.inventory.pause(stream, consumer, new Date(until));
    this.logger.warn({ stream, consumer, until, by, reason }, 'a consumer was paused');
    return paused;
  }

  @Post('consumers/:stream/:consumer/resume')
  @HttpCode(200)
  @ApiOperation({ summary: 'End a pause' })
  @ApiOkResponse({ type: ConsumerDto })
  async resume(
    @Param() { stream, consumer }: ConsumerPlaceDto,
    @Body() { by, reason }: OperatorDto,
  ): Promise<ConsumerOverview> {
    const resumed = await this.inventory.resume(stream, consumer);
    this.logger.warn({ stream, consumer, by, reason }, 'a consumer was resumed');
    return resumed;
  }
}
