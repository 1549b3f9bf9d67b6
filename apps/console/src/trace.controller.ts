import { Get, Inject, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiPropertyOptional, ApiResponse, ApiTags } from '@nestjs/swagger';
import { JetStreamConnection } from '@slipstream/jetstream';
import { OrderLives } from '@slipstream/operations';
import { IsOptional } from 'class-validator';
import { readersOfSystem } from '../../system.js';
import type { OrderLife } from './api.js';
import { CONFIG, type Config } from './config.js';
import { IsZonedTime } from './zoned-time.js';
import { GuardedController } from './guarded-controller.decorator.js';

class TraceQueryDto {
  @ApiPropertyOptional({
    format: 'date-time',
    description: 'Read the streams from then on; from shortly before the order when left out',
  })
  @IsOptional()
  @IsZonedTime()
  since?: string;
}

@ApiTags('trace')
@GuardedController('lives')
export class TraceController {
  constructor(
    private readonly connection: JetStreamConnection,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Get(':id')
  @ApiOperation({ summary: 'Follow an order, named by its id or that of a message, through all services' })
  @ApiOkResponse({ description: 'Its messages, who read them, and what became of them.' })
  @ApiResponse({ status: 404, description: 'Neither order-service nor a stream knows it.' })
  find(@Param('id') id: string, @Query() { since }: TraceQueryDto): Promise<OrderLife> {
    const lives = new OrderLives(this.connection.nc, {
      readers: readersOfSystem(),
      ordersUrl: this.config.ORDER_SERVICE_URL,
      since: since === undefined ? undefined : new Date(since),
    });
    return lives.find(id);
  }
}
