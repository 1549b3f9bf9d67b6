import { startApp } from '@slipstream/bootstrap';
import { connectJetStream } from '@slipstream/jetstream';
import { AppModule } from './app.module.js';
import { loadConfig } from './config.js';

const config = loadConfig();

await startApp({
  name: 'audit-service',
  module: AppModule.register(config),
  port: config.PORT,
  describe: {
    title: 'Audit',
    description: 'Keeps every message of every stream, and proves that none was changed.',
  },
  connect: (app) => void connectJetStream(app),
});
