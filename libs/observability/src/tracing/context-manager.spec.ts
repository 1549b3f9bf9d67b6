import { createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';
import { describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { FrugalContextManager } from './context-manager.js';

const KEY = createContextKey('name');
const named = (name: string) => ROOT_CONTEXT.setValue(KEY, name);

describe('the context manager', () => {
  const contexts = new FrugalContextManager();
  const current = () => contexts.active().getValue(KEY);

  it('knows a context inside only, whatever it is nested in', () => {
    const seen = contexts.with(named('outer'), () => [
      current(),
      contexts.with(named('inner'), current),
      current(),
    ]);
    expect(seen).toEqual(['outer', 'inner', 'outer']);
    expect(contexts.active()).toBe(ROOT_CONTEXT);
  });

  it('keeps the contexts of concurrent work apart, over timers and promises', async () => {
    const work = async () => {
      await setImmediate();
      const early = current();
      await Promise.resolve();
      return [early, current()];
    };
    const names = ['a', 'b', 'c'];
    const seen = await Promise.all(names.map((name) => contexts.with(named(name), work)));
    expect(seen).toEqual(names.map((name) => [name, name]));
  });

  it('comes back after an error', () => {
    const fail = () => contexts.with(named('failing'), () => JSON.parse('{'));
    expect(() => contexts.with(named('around'), fail)).toThrow(SyntaxError);
    expect(contexts.active()).toBe(ROOT_CONTEXT);
  });

  it('leaves what others store with asynchronous calls as it is', () => {
    const others = new AsyncLocalStorage<string>();
    const seen = others.run('request', () => [
      contexts.with(named('trace'), () => [others.getStore(), current()]),
      others.getStore(),
    ]);
    expect(seen).toEqual([['request', 'trace'], 'request']);
  });

  it('is left with what others entered inside it', () => {
    const others = new AsyncLocalStorage<string>();
    const enter = () => {
      others.enterWith('request');
      return [others.getStore(), current()];
    };
    expect(contexts.with(named('trace'), enter)).toEqual(['request', 'trace']);
    expect(others.getStore()).toBeUndefined();
  });

  it('hands on the receiver and the arguments', () => {
    const add = function (this: { base: number }, a: number, b: number) {
      return this.base + a + b;
    };
    expect(contexts.with(ROOT_CONTEXT, add, { base: 1 }, 2, 3)).toBe(6);
  });

  it('binds functions to a context, wherever they are called', () => {
    const bound = contexts.bind(named('bound'), (suffix: string) => `${String(current())}${suffix}`);
    expect(contexts.with(named('elsewhere'), () => bound('!'))).toBe('bound!');
    expect(contexts.bind(named('bound'), 42)).toBe(42);
  });
});
