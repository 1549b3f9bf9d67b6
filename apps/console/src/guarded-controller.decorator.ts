import { applyDecorators, Controller, UseGuards } from '@nestjs/common';
import { AccessGuard } from './access.guard.js';

/**
 * A controller below `/api` that answers only who may operate the system. Bound to the handlers and not to the text of the path,
 * which can be written in many ways.
 */
export const GuardedController = (path = '') =>
  applyDecorators(Controller(path === '' ? 'api' : `api/${path}`), UseGuards(AccessGuard));
