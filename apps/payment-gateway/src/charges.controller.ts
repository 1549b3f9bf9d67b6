import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiExtraModels,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiResponse,
  ApiTags,
  refs,
} from '@nestjs/swagger';
import { ProblemException } from '@slipstream/bootstrap';
import type { FastifyReply } from 'fastify';
import { ChargeDto, ChargeRequestDto, ClosedKeyDto, RefundDto } from './charge.dto.js';
import { ChargesService, type Outcome } from './charges.service.js';
import { Faults, type FaultMode } from './faults.js';
import type { Charge, Closing } from './ledger-record.js';

/** Printable ASCII, as in a header; 255 characters at most. */
export const USABLE_KEY = /^[\x21-\x7e]{1,255}$/;

@ApiTags('charges')
@Controller('charges')
export class ChargesController {
  constructor(
    @Inject(ChargesService) private readonly charges: ChargesService,
    @Inject(Faults) private readonly faults: Faults,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Charge an order, at most once per Idempotency-Key' })
  @ApiHeader({ name: 'Idempotency-Key', required: true, description: '1 to 255 printable ASCII characters' })
  @ApiCreatedResponse({ type: ChargeDto })
  @ApiOkResponse({
    description: 'What an earlier request with this key made of it, or that the key was closed',
    schema: { oneOf: refs(ChargeDto, ClosedKeyDto) },
  })
  @ApiResponse({ status: 409, description: 'A request with this key is in flight' })
  @ApiResponse({ status: 422, description: 'The key was used for another charge' })
  async create(
    @Headers('idempotency-key') key: string | undefined,
    @Body() request: ChargeRequestDto,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const usableKey = requireKey(key);
    const fault = this.drawFault();
    answer(reply, await this.charges.charge(usableKey, request, fault), fault);
  }

  @Get(':key')
  @ApiOperation({ summary: 'What was made of an Idempotency-Key' })
  @ApiExtraModels(ChargeDto, ClosedKeyDto)
  @ApiOkResponse({
    description: 'The charge, or that the key was closed',
    schema: { oneOf: refs(ChargeDto, ClosedKeyDto) },
  })
  @ApiResponse({ status: 404, description: 'No charge was made under this key' })
  @ApiResponse({ status: 409, description: 'The charge is being made right now' })
  show(@Param('key') key: string): Charge | Closing {
    return this.charges.find(key);
  }

  @Post(':key/close')
  @HttpCode(201)
  @ApiOperation({ summary: 'Close a key, so that no request with it can charge any more' })
  @ApiCreatedResponse({ type: ClosedKeyDto })
  @ApiOkResponse({
    description: 'The charge that was made before, or that the key was closed',
    schema: { oneOf: refs(ChargeDto, ClosedKeyDto) },
  })
  @ApiResponse({ status: 409, description: 'A request with this key is in flight' })
  async close(@Param('key') key: string, @Res() reply: FastifyReply): Promise<void> {
    const usableKey = requireKey(key);
    const fault = this.drawFault();
    answer(reply, await this.charges.close(usableKey, fault), fault);
  }

  @Post(':key/refund')
  @HttpCode(201)
  @ApiOperation({ summary: 'Refund a charge in full, at most once' })
  @ApiCreatedResponse({ type: RefundDto })
  @ApiOkResponse({ type: RefundDto, description: 'The refund that an earlier request made' })
  @ApiResponse({ status: 404, description: 'No charge was made under this key' })
  @ApiResponse({ status: 409, description: 'Nothing was charged, or a request for it is in flight' })
  async refund(@Param('key') key: string, @Res() reply: FastifyReply): Promise<void> {
    const fault = this.drawFault();
    answer(reply, await this.charges.refund(key, fault), fault);
  }

  private drawFault(): FaultMode {
    const fault = this.faults.draw();
    if (fault === 'throttle') {
      throw new ProblemException(429, {
        detail: 'The gateway limits your rate.',
        headers: { 'Retry-After': '1' },
      });
    }
    if (fault === 'down') {
      throw new ProblemException(503, { detail: 'The gateway is down.' });
    }
    return fault;
  }
}

function answer(reply: FastifyReply, outcome: Outcome<object>, fault: FaultMode): void {
  if (fault === 'ambiguous') {
    reply.hijack();
    reply.raw.destroy();
    return;
  }
  void reply.status(outcome.replayed ? 200 : 201).send(outcome.effect);
}

function requireKey(key: string | undefined): string {
  if (key !== undefined && USABLE_KEY.test(key)) {
    return key;
  }
  const reason =
    key === undefined ? 'is missing' : 'must be 1 to 255 printable ASCII characters without spaces';
  throw new ProblemException(400, {
    detail: 'A charge needs an Idempotency-Key.',
    errors: [{ field: 'Idempotency-Key', reason }],
  });
}
