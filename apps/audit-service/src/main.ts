import { startApp } from '@slipstream/bootstrap';
import { connectJetStream } from '@slipstream/jetstream';
import { describeMessages } from '@slipstream/service';
import { AppModule } from './app.module.js';
import { loadConfig } from './config.js';
import { declaration } from './declaration.js';

const config = loadConfig();

await startApp({
  name: declaration.name,
  module: AppModule.register(config),
  port: config.PORT,
  describe: { ...declaration.api, asyncApi: describeMessages([declaration]) },
  connect: (app) => void connectJetStream(app),
});
