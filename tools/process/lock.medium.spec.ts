import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryLock, waitForLock } from './lock.mjs';

let file: string;

beforeEach(() => {
  file = join(mkdtempSync(join(tmpdir(), 'slipstream-lock-')), 'lock');
});

afterEach(() => rmSync(join(file, '..'), { recursive: true, force: true }));

it('a lock that a living process holds is refused, with its pid', () => {
  const first = tryLock(file);
  expect(first.acquired).toBe(true);
  expect(tryLock(file)).toMatchObject({ acquired: false, holder: { pid: process.pid } });
});

it('a released lock can be taken again, and leaves no other file behind', () => {
  const first = tryLock(file);
  if (first.acquired) first.release();
  expect(tryLock(file).acquired).toBe(true);
  expect(readdirSync(join(file, '..'))).toEqual(['lock']);
});

it('the lock of a process that died is taken, even if its pid lives on as another process', () => {
  const holder = { pid: process.pid, identity: `${process.pid}:of an earlier one`, since: '2026-01-01' };
  writeFileSync(file, JSON.stringify(holder));
  expect(tryLock(file).acquired).toBe(true);
  expect(readdirSync(join(file, '..'))).toEqual(['lock']);
});

it('a lock file that cannot be read is taken', () => {
  writeFileSync(file, '');
  expect(tryLock(file).acquired).toBe(true);
});

it('whoever waits is told for whom, and gets the lock when it is released', async () => {
  const first = tryLock(file);
  const holders: number[] = [];
  const waiting = waitForLock(file, ({ pid }) => holders.push(pid));
  expect(holders).toEqual([process.pid]);
  if (first.acquired) first.release();
  const release = await waiting;
  expect(tryLock(file).acquired).toBe(false);
  release();
});
