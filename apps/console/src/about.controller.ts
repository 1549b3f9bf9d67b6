import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CONFIG, type Config } from './config.js';
import { AboutDto } from './overview.dto.js';

@ApiTags('overview')
@Controller('api/about')
export class AboutController {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  @Get()
  @ApiOperation({ summary: 'Whether a token is wanted; answered to everybody' })
  @ApiOkResponse({ type: AboutDto })
  about(): AboutDto {
    return { isProtected: this.config.CONSOLE_TOKEN !== undefined };
  }
}
