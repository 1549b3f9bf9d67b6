import fastifyStatic from '@fastify/static';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the build puts the pages, seen from this file's own output. */
export const PAGES_DIRECTORY = fileURLToPath(new URL('../../../../../web/console', import.meta.url));

/** A page that shows what a stranger wrote into a message must run no script of theirs and be framed by nobody. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Serves the built pages at `/`. Without them the API works all the same. */
export async function servePages(app: NestFastifyApplication, directory: string): Promise<void> {
  forbidFrames(app);
  if (!existsSync(join(directory, 'index.html'))) {
    new Logger('Pages').warn(`there are no pages in ${directory}; "npm start" builds them`);
    return;
  }
  const assets = join(directory, 'assets') + sep;
  await app.register(fastifyStatic, {
    root: directory,
    decorateReply: false,
    cacheControl: false,
    // Both are made of times and sizes, which the page of another release may share: every file of an image has the same time.
    etag: false,
    lastModified: false,
    setHeaders: (reply, path) => {
      reply.header('Content-Security-Policy', CONTENT_SECURITY_POLICY);
      reply.header('X-Content-Type-Options', 'nosniff');
      reply.header('Referrer-Policy', 'no-referrer');
      // Names of assets hold a hash of what is in them; the page that names them changes with every build.
      reply.header(
        'Cache-Control',
        path.startsWith(assets) ? 'public, max-age=31536000, immutable' : 'no-cache',
      );
    },
  });
}

/** Also of the API's own pages: in a frame of somebody else's, a click would be theirs. */
function forbidFrames(app: NestFastifyApplication): void {
  const instance = app.getHttpAdapter().getInstance();
  instance.addHook('onRequest', (_request, reply, done) => {
    reply.header('X-Frame-Options', 'DENY');
    done();
  });
}
