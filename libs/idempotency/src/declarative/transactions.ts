import type { EntityManager } from 'typeorm';
import { InvalidIdempotentHandlerError } from '../errors.js';

const transactions = new WeakMap<object, EntityManager>();

/** Ties the transaction of a call to the context its handler is given. */
export function rememberTransaction(context: object, tx: EntityManager): void {
  transactions.set(context, tx);
}

export function transactionOf(context: object): EntityManager {
  const tx = transactions.get(context);
  if (tx) return tx;
  throw new InvalidIdempotentHandlerError("@Tx() is used outside of @Idempotent('in-transaction')");
}
