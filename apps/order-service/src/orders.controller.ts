import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, UseGuards } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiAcceptedResponse, ApiResponse, ApiTags } from '@nestjs/swagger';
import { ProblemException } from '@slipstream/bootstrap';
import type { FastifyRequest } from 'fastify';
import { AcceptingGuard } from './accepting.guard.js';
import { idempotencyKeyOf } from './idempotency-key.js';
import {
  AcceptedOrderDto,
  ListOrdersDto,
  ORDER_ID,
  OrderDto,
  OrderPageDto,
  PlaceOrderDto,
} from './orders.dto.js';
import { OrdersService } from './orders.service.js';

@ApiTags('orders')
@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  /** Answers once the order and its event are committed. */
  @Post()
  @UseGuards(AcceptingGuard)
  @HttpCode(202)
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: '1 to 255 printable characters.' })
  @ApiAcceptedResponse({ type: AcceptedOrderDto })
  @ApiResponse({ status: 422, description: 'The key was used for another order.' })
  @ApiResponse({
    status: 503,
    description:
      'The database is away, or too much waits already. The order may have been stored: repeat it with its key.',
  })
  place(@Body() input: PlaceOrderDto, @Req() { raw }: FastifyRequest): Promise<AcceptedOrderDto> {
    return this.orders.place(input, idempotencyKeyOf(raw));
  }

  @Get(':id')
  @ApiOkResponse({ type: OrderDto })
  @ApiResponse({ status: 404, description: 'There is no such order.' })
  async find(@Param('id') orderId: string): Promise<OrderDto> {
    // What is no id cannot be asked for: text of the database holds no NUL.
    const order = ORDER_ID.test(orderId) ? await this.orders.find(orderId) : undefined;
    if (!order) throw new ProblemException(404, { detail: `there is no order "${orderId}"` });
    return order;
  }

  @Get()
  @ApiOkResponse({ type: OrderPageDto })
  list(@Query() query: ListOrdersDto): Promise<OrderPageDto> {
    return this.orders.list(query);
  }
}
