import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { ApiOkResponse, ApiResponse, ApiTags } from '@nestjs/swagger';
import { ProblemException } from '@slipstream/bootstrap';
import { SetStockDto, StockDto } from './stock.dto.js';
import { StockRepository } from './stock.repository.js';

@ApiTags('stock')
@Controller('stock')
export class StockController {
  constructor(private readonly stock: StockRepository) {}

  @Get(':sku')
  @ApiOkResponse({ type: StockDto })
  find(@Param('sku') sku: string): Promise<StockDto> {
    return this.stock.find(checkSku(sku));
  }

  @Put(':sku')
  @ApiOkResponse({ type: StockDto })
  @ApiResponse({ status: 409, description: 'Orders have reserved more pieces.' })
  async set(@Param('sku') sku: string, @Body() { onHand }: SetStockDto): Promise<StockDto> {
    const stock = await this.stock.set(checkSku(sku), onHand);
    if (stock) return stock;
    const reason = 'is below the pieces that orders have reserved';
    throw new ProblemException(409, { detail: `onHand ${reason}`, errors: [{ field: 'onHand', reason }] });
  }
}

function checkSku(sku: string): string {
  if (/^[\w.-]{1,64}$/.test(sku)) return sku;
  const reason = 'must be 1 to 64 letters, digits, "-", "_" or "."';
  throw new ProblemException(400, { detail: `sku ${reason}`, errors: [{ field: 'sku', reason }] });
}
