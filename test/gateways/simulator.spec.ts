import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { configureHttp, createHttpAdapter } from '@slipstream/bootstrap';
import { AppModule } from '../../apps/payment-gateway/src/app.module.ts';
import { SimulatorGateway } from '../../apps/payment-service/src/simulator.gateway.ts';
import { describeGateway, type GatewayFault } from '../../apps/payment-service/test/gateway-contract.ts';

process.env['LOG_LEVEL'] = 'silent';

const MODES = {
  none: 'ok',
  throttle: 'throttle',
  decline: 'decline',
  lose: 'ambiguous',
  hold: 'slow',
} as const;
/** Longer than a test waits for the charge under way, shorter than the adapter waits for its answer. */
const HELD_MS = 2_000;

describeGateway('of the simulator', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-'));
  const config = { PORT: 0, GATEWAY_DATA_FILE: join(directory, 'ledger.ndjson') };
  const module = await Test.createTestingModule({ imports: [AppModule.register(config)] }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(), { logger: false });
  configureHttp(app);
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  let isRunning = true;
  return {
    gateway: new SimulatorGateway(url),
    totals: async () => {
      const { charges, refunds } = (await (await fetch(`${url}/stats`)).json()) as Record<string, number>;
      return { charges: charges ?? NaN, refunds: refunds ?? NaN };
    },
    setFault: async (fault: GatewayFault) => {
      await fetch(`${url}/faults`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ mode: MODES[fault], latencyMs: HELD_MS }),
      });
    },
    stop: async () => {
      if (isRunning) await app.close();
      isRunning = false;
      await rm(directory, { recursive: true, force: true });
    },
  };
});
