import type { Operator } from '../../src/api.js';

const KEY = 'console-operator';

export function rememberedName(): string {
  return localStorage.getItem(KEY) ?? '';
}

/** Remembers who it is for the next time. */
export function toOperator(name: string, reason: string): Operator {
  const by = name.trim();
  localStorage.setItem(KEY, by);
  return reason.trim() === '' ? { by } : { by, reason: reason.trim() };
}
