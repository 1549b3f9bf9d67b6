import { parseEnvironment, startApp } from '@slipstream/bootstrap';
import { AppModule } from './app.module.js';
import { configSchema } from './config.js';
import { declaration } from './declaration.js';

const config = parseEnvironment(configSchema);

await startApp({
  name: declaration.name,
  module: AppModule.register(config),
  port: config.PORT,
  describe: declaration.api,
});
