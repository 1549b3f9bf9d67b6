export { databaseUrl, natsUrl, redisUrl } from './environment.js';
export { createTestDatabase, type TestDatabase } from './test-database.js';
export { spawnTypeScript, type RunningScript } from './spawn-typescript.js';
export type { ReceivedSpan } from './spans/received-span.js';
export { SpanReceiver } from './spans/span-receiver.js';
export { uniqueName } from './unique-name.js';
export { waitFor } from './wait-for.js';
