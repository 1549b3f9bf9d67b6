import {
  applyDecorators,
  createParamDecorator,
  SetMetadata,
  UseInterceptors,
  type ExecutionContext,
} from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { IdempotentInterceptor } from './idempotent.interceptor.js';
import { transactionOf } from './transactions.js';

/**
 * What the effects of a handler are, which decides what an inbox can promise for them:
 * - `in-transaction`: they are written through the transaction of `@Tx()`, and happen exactly once.
 * - `may-repeat`: they may happen again after a crash, and the handler bears it.
 */
export type Effects = 'in-transaction' | 'may-repeat';

/** Metadata key under which a method keeps its `Effects`. */
export const EFFECTS = Symbol('idempotent.effects');

/**
 * Calls an event handler for what its consumer has not dealt with before; a duplicate is acked without a call. A batch
 * handler is given what is new of its batch, as payloads and as context. What a handler records on its context (`retry`,
 * `deadLetter`) undoes its transaction. The application does not start where this could not hold.
 */
export function Idempotent(effects: Effects): MethodDecorator {
  return applyDecorators(SetMetadata(EFFECTS, effects), UseInterceptors(IdempotentInterceptor));
}

/** What gives a handler its transaction; known to who checks that it asks for one. */
export function takeTransaction(_: unknown, host: ExecutionContext): EntityManager {
  return transactionOf(host.switchToRpc().getContext<object>());
}

/** The transaction that an `in-transaction` handler must write through: it commits with the inbox key, or not at all. */
export const Tx = createParamDecorator(takeTransaction);
