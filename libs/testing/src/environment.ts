/** URL of the NATS server the test run started. */
export function natsUrl(): string {
  return required('NATS_URL');
}

/** URL of the PostgreSQL server the test run started. */
export function databaseUrl(): string {
  return required('DATABASE_URL');
}

/** URL of the Redis server the test run started; undefined where there is none, and its tests are skipped. */
export function redisUrl(): string | undefined {
  return process.env['REDIS_URL'] || undefined;
}

function required(name: string): string {
  const value = process.env[name];
  if (!value)
    throw new Error(`${name} is not set; run the tests through "npm test", which starts the servers`);
  return value;
}
