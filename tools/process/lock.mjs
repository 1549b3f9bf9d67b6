import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from './error-code.mjs';
import { processIdentity } from './identity.mjs';

/**
 * @typedef {{ pid: number, identity: string | undefined, since: string }} Holder
 * @typedef {{ acquired: true, release: () => void } | { acquired: false, holder: Holder }} LockResult
 */

/**
 * Takes the lock file for this process unless a living process holds it.
 *
 * @param {string} file
 * @returns {LockResult}
 */
export function tryLock(file) {
  mkdirSync(dirname(file), { recursive: true });
  for (;;) {
    if (createLock(file)) return { acquired: true, release: () => releaseLock(file) };
    const holder = readHolder(file);
    if (holder && isAlive(holder)) return { acquired: false, holder };
    const rescued = removeStaleLock(file);
    if (rescued) return { acquired: false, holder: rescued };
  }
}

/**
 * Takes the lock file, waiting for its holder to release it or to die.
 *
 * @param {string} file
 * @param {(holder: Holder) => void} [onWait] called once, when there is somebody to wait for
 * @returns {Promise<() => void>} releases the lock
 */
export async function waitForLock(file, onWait) {
  for (let waited = false; ; waited = true) {
    const result = tryLock(file);
    if (result.acquired) return result.release;
    if (!waited) onWait?.(result.holder);
    await delay(200);
  }
}

/** @param {string} file */
function createLock(file) {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const holder = {
    pid: process.pid,
    identity: processIdentity(process.pid),
    since: new Date().toISOString(),
  };
  writeFileSync(draft, JSON.stringify(holder));
  try {
    // A link appears with its content: nobody reads a half-written lock and takes it for a stale one.
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * @param {string} file
 * @returns {Holder | undefined} the living holder, if the lock was not stale after all
 */
function removeStaleLock(file) {
  const aside = `${file}.stale.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const holder = readHolder(aside);
  try {
    // Another process may have replaced the stale lock with its own between our look and our move.
    if (!holder || !isAlive(holder)) return undefined;
    linkSync(aside, file);
    return holder;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** @param {string} file */
function releaseLock(file) {
  const holder = readHolder(file);
  if (holder?.identity === processIdentity(process.pid)) rmSync(file, { force: true });
}

/**
 * @param {string} file
 * @returns {Holder | undefined}
 */
function readHolder(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {Holder} holder */
function isAlive(holder) {
  return holder.identity !== undefined && processIdentity(holder.pid) === holder.identity;
}
