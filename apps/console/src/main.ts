import { startApp } from '@slipstream/bootstrap';
import { AppModule } from './app.module.js';
import { loadConfig } from './config.js';
import { declaration } from './declaration.js';
import { PAGES_DIRECTORY, servePages } from './pages.js';

const config = loadConfig();

await startApp({
  name: declaration.name,
  module: AppModule.register(config),
  port: config.PORT,
  host: config.HOST,
  describe: declaration.api,
  connect: (app) => servePages(app, PAGES_DIRECTORY),
});
