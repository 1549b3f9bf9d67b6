import type { INestApplication, INestMicroservice } from '@nestjs/common';
import type { NestMicroservice } from '@nestjs/microservices';
import { ErrorIdentityFilter } from './server/error-identity.filter.js';
import { JetStreamServer } from './server/jetstream.server.js';

/**
 * Attaches the JetStream transport to an application; `app.startAllMicroservices()` starts it.
 * Global pipes, guards and filters of the HTTP side do not apply to handlers.
 */
export function connectJetStream(app: INestApplication): INestMicroservice {
  const microservice = app.connectMicroservice<object>(
    { strategy: app.get(JetStreamServer) },
    { inheritAppConfig: false, deferInitialization: true },
  ) as unknown as NestMicroservice;
  // Filters count only when set before the handlers are registered, which deferring makes possible. The
  // application has already run the init hooks of the shared container.
  microservice.useGlobalFilters(new ErrorIdentityFilter());
  microservice.setIsInitHookCalled(true);
  return microservice;
}
