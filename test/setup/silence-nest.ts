import { ConsoleLogger, Logger } from '@nestjs/common';

// What a test expects to go wrong is no news. Who looks at the log spies on `Logger`, or brings one.
Logger.overrideLogger(false);
// The one that a testing module brings writes errors.
ConsoleLogger.prototype.error = () => undefined;
