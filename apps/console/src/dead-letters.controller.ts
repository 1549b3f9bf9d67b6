import { Body, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { DeadLetters, OperationError, Redrives, type BulkResult } from '@slipstream/operations';
import {
  BulkDto,
  BulkOutcomeDto,
  DeadLetterDetailDto,
  DeadLetterFilterDto,
  DeadLetterGroupsDto,
  DeadLetterPageDto,
  ListDeadLettersDto,
  OutcomeDto,
  RedriveDto,
} from './dead-letters.dto.js';
import { Sharing } from './sharing.js';
import { OperatorDto } from './operator.dto.js';
import { GuardedController } from './guarded-controller.decorator.js';

const MOST_FAILURES = 100;

@ApiTags('dead letters')
@GuardedController('dead-letters')
export class DeadLettersController {
  private readonly sharing = new Sharing();

  constructor(
    private readonly letters: DeadLetters,
    private readonly redrives: Redrives,
  ) {}

  @Get()
  @ApiOperation({ summary: 'One page, oldest first within each stream' })
  @ApiOkResponse({ type: DeadLetterPageDto })
  list(@Query() { after, limit, ...filter }: ListDeadLettersDto): Promise<DeadLetterPageDto> {
    return this.letters.list(filter, { limit, ...(after !== undefined && { after }) });
  }

  @Get('groups')
  @ApiOperation({ summary: 'Counted by consumer and error, most frequent first' })
  @ApiOkResponse({ type: DeadLetterGroupsDto })
  async groups(@Query() filter: DeadLetterFilterDto): Promise<DeadLetterGroupsDto> {
    // Reads the headers of every dead letter.
    return this.sharing.run(JSON.stringify(filter), async () => ({
      groups: await this.letters.group(filter),
    }));
  }

  @Get(':id')
  @ApiOperation({ summary: 'One with its headers, body, error and stack' })
  @ApiOkResponse({ type: DeadLetterDetailDto })
  @ApiResponse({ status: 404, description: 'It was dealt with, or never was.' })
  show(@Param('id') id: string): Promise<DeadLetterDetailDto> {
    return this.letters.show(id);
  }

  @Post('redrive')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send all that match and are there now to the consumers that failed' })
  @ApiOkResponse({ type: BulkOutcomeDto })
  async redriveAll(@Body() { filter, ...operator }: BulkDto): Promise<BulkOutcomeDto> {
    return toOutcome(await this.redrives.redriveAll(filter, operator));
  }

  @Post('discard')
  @HttpCode(200)
  @ApiOperation({ summary: 'Put all that match and are there now away into the stream OPERATIONS' })
  @ApiOkResponse({ type: BulkOutcomeDto })
  async discardAll(@Body() { filter, ...operator }: BulkDto): Promise<BulkOutcomeDto> {
    return toOutcome(await this.redrives.discardAll(filter, operator));
  }

  @Post(':id/redrive')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send it to the consumer that could not process it, and to no other' })
  @ApiOkResponse({ type: OutcomeDto })
  @ApiResponse({ status: 409, description: 'It cannot be sent; the detail says why.' })
  async redrive(@Param('id') id: string, @Body() { body, ...operator }: RedriveDto): Promise<OutcomeDto> {
    const edited = body === undefined ? undefined : new TextEncoder().encode(body);
    return { outcome: await this.redrives.redrive(id, operator, edited) };
  }

  @Post(':id/discard')
  @HttpCode(200)
  @ApiOperation({ summary: 'Put it away into the stream OPERATIONS, where it can be looked up' })
  @ApiOkResponse({ type: OutcomeDto })
  async discard(@Param('id') id: string, @Body() operator: OperatorDto): Promise<OutcomeDto> {
    return { outcome: await this.redrives.discard(id, operator) };
  }
}

function toOutcome({ done, already, failures }: BulkResult): BulkOutcomeDto {
  return {
    done,
    already,
    failed: failures.length,
    failures: failures.slice(0, MOST_FAILURES).map(({ id, error }) => {
      const { code, nextStep } =
        error instanceof OperationError ? error : { code: 'OPERATIONS_FAILED', nextStep: '' };
      return { id, code, message: error.message, nextStep };
    }),
  };
}
