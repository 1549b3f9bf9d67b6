import { parseEnvironment, startApp } from '@slipstream/bootstrap';
import { AppModule } from './app.module.js';
import { configSchema } from './config.js';

const config = parseEnvironment(configSchema);

await startApp({
  name: 'order-producer',
  module: AppModule.register(config),
  port: config.PORT,
  describe: {
    title: 'Order producer',
    description: 'Creates orders at a steady rate.',
  },
});
