import { Body, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Replays, type ReplayRequest } from '@slipstream/operations';
import { ReplayCountDto, ReplayDto, ReplayRangeDto, ReplayResultDto } from './replays.dto.js';
import { parsePosition } from './zoned-time.js';
import { GuardedController } from './guarded-controller.decorator.js';

@ApiTags('replays')
@GuardedController('replays')
export class ReplaysController {
  constructor(private readonly replays: Replays) {}

  @Post('count')
  @HttpCode(200)
  @ApiOperation({ summary: 'Count what a range has for one consumer; nothing is sent' })
  @ApiOkResponse({ type: ReplayCountDto })
  count(@Body() range: ReplayRangeDto): Promise<ReplayCountDto> {
    return this.replays.count(toRequest(range));
  }

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'Send a range to one consumer once more' })
  @ApiOkResponse({ type: ReplayResultDto })
  send(@Body() { by, reason, run, ...range }: ReplayDto): Promise<ReplayResultDto> {
    return this.replays.send(toRequest(range), { by, reason }, run);
  }
}

function toRequest({ stream, consumer, from, to }: ReplayRangeDto): ReplayRequest {
  const position = (given: number | string | undefined) =>
    given === undefined ? undefined : parsePosition(given);
  return { stream, consumer, from: position(from), to: position(to) };
}
