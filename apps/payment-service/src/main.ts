import { startApp } from '@slipstream/bootstrap';
import { connectJetStream } from '@slipstream/jetstream';
import { AppModule } from './app.module.js';
import { loadConfig } from './config.js';

const config = loadConfig();

await startApp({
  name: 'payment-service',
  module: AppModule.register(config),
  port: config.PORT,
  describe: { title: 'Payments', description: 'Charges orders once and refunds cancelled ones.' },
  connect: (app) => void connectJetStream(app),
});
