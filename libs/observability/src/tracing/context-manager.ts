import { ROOT_CONTEXT, type Context, type ContextManager } from '@opentelemetry/api';
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';

/**
 * Keeps the context of OpenTelemetry over asynchronous calls, as the manager that comes with its SDK does, at a third of
 * the cost: `AsyncLocalStorage.run` makes two maps of all storages, one to go in and one to come back. A resource remembers
 * where to come back to. Every message goes in once, and nearly all for a trace that nobody records.
 */
export class FrugalContextManager implements ContextManager {
  private readonly storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return new AsyncResource('trace').runInAsyncScope(() => {
      this.storage.enterWith(context);
      return fn.apply(thisArg, args);
    });
  }

  /** Of functions; what else there is stays as it is. */
  bind<T>(context: Context, target: T): T {
    if (typeof target !== 'function') return target;
    const bound = (...args: unknown[]): unknown => this.with(context, () => target(...args));
    return bound as T;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.storage.disable();
    return this;
  }
}
