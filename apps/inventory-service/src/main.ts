import { startApp } from '@slipstream/bootstrap';
import { connectJetStream } from '@slipstream/jetstream';
import { AppModule } from './app.module.js';
import { loadConfig } from './config.js';

const config = loadConfig();

await startApp({
  name: 'inventory-service',
  module: AppModule.register(config),
  port: config.PORT,
  describe: { title: 'Inventory', description: 'Keeps stock and reserves it for orders.' },
  connect: (app) => void connectJetStream(app),
});
