import { parseEnvironment, startApp } from '@slipstream/bootstrap';
import { AppModule } from './app.module.js';
import { configSchema } from './config.js';

const config = parseEnvironment(configSchema);

await startApp({
  name: 'payment-gateway',
  module: AppModule.register(config),
  port: config.PORT,
  describe: {
    title: 'Payment gateway',
    description: 'Simulator of an external payment provider, with faults to order.',
  },
});
