export { databaseUrl, natsUrl, redisUrl } from './environment.js';
export { createTestDatabase, type TestDatabase } from './test-database.js';
export { spawnTypeScript, type RunningScript } from './spawn-typescript.js';
export { uniqueName } from './unique-name.js';
export { waitFor } from './wait-for.js';
