import { startApp } from '@slipstream/bootstrap';
import { connectJetStream } from '@slipstream/jetstream';
import { AppModule } from './app.module.js';
import { loadConfig } from './config.js';

const config = loadConfig();

await startApp({
  name: 'order-service',
  module: AppModule.register(config),
  port: config.PORT,
  describe: {
    title: 'Orders',
    description: 'Takes orders and follows them until they are confirmed or cancelled.',
  },
  connect: (app) => void connectJetStream(app),
});
