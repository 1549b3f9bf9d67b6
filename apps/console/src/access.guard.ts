import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { ProblemException } from '@slipstream/bootstrap';
import type { FastifyRequest } from 'fastify';
import { createHash, timingSafeEqual } from 'node:crypto';
import { CONFIG, type Config } from './config.js';

const LOCAL_NAMES = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/;

/**
 * Lets in who has the token. Without one the console listens on this machine alone, and lets in what its users ask for
 * themselves, not what a page of somebody else has their browser ask.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(@Inject(CONFIG) private readonly config: Pick<Config, 'CONSOLE_TOKEN'>) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const { CONSOLE_TOKEN: token } = this.config;
    if (token === undefined) requireLocal(headers);
    else requireToken(headers.authorization, token);
    return true;
  }
}

function requireToken(given: string | undefined, token: string): void {
  const [, presented] = /^Bearer +(\S+)$/i.exec(given ?? '') ?? [];
  if (presented !== undefined && timingSafeEqual(digest(presented), digest(token))) return;
  throw new ProblemException(401, {
    detail: 'the token is missing or is not the one of this console',
    headers: { 'WWW-Authenticate': 'Bearer' },
  });
}

/** A name that resolves to this machine, or a form or an image on another page, would let any web site operate the console. */
function requireLocal({ host = '', origin, ...headers }: FastifyRequest['headers']): void {
  const isForeignOrigin = origin !== undefined && URL.parse(origin)?.host !== host;
  // What a page merely includes has no origin; browsers say of everything whose page asked for it.
  const { 'sec-fetch-site': site = 'none' } = headers;
  const isForeignPage = isForeignOrigin || (site !== 'none' && site !== 'same-origin');
  if (LOCAL_NAMES.test(host) && !isForeignPage) return;
  throw new ProblemException(403, {
    detail: 'without CONSOLE_TOKEN the console answers its own pages on localhost only',
  });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
