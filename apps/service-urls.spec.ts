import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { SERVICE_URL_VARIABLES, SERVICE_URLS, usualUrlOf } from './service-urls.js';
import { services } from './system.js';

const withPort = z.object({ configSchema: z.object({ shape: z.object({ PORT: z.instanceof(z.ZodType) }) }) });

describe('the URLs of services', () => {
  it('are known of every service that handles messages', () => {
    const named = Object.values(SERVICE_URLS).map(({ service }) => service);
    expect(named).toEqual(services.map(({ name }) => name));
  });

  it.each(SERVICE_URL_VARIABLES)(
    '%s is where the service listens unless it is told otherwise',
    async (name) => {
      const config: unknown = await import(`./${SERVICE_URLS[name].service}/src/config.js`);
      const { PORT } = withPort.parse(config).configSchema.shape;
      expect(usualUrlOf(name)).toBe(`http://localhost:${String(PORT.parse(undefined))}`);
    },
  );
});
