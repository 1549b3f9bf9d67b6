import { once } from 'node:events';
import { lstatSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCode } from './error-code.mjs';
import { tryLock } from './lock.mjs';

/** Below the range that systems take the ports of outgoing connections from: a restart finds its port free. */
const LOWEST = 10_000;
const HIGHEST = 30_000;

export interface ClaimedPort {
  readonly port: number;
  release(): void;
}

/** Claims a port against other stacks that are starting, unless it is taken. */
export async function claimPort(port: number): Promise<ClaimedPort | undefined> {
  const directory = claimDirectory();
  const lock = directory ? tryLock(join(directory, String(port))) : UNCLAIMED;
  if (!lock.acquired) return undefined;
  if (await isFree(port)) return { port, release: lock.release };
  lock.release();
  return undefined;
}

const UNCLAIMED = { acquired: true, release: () => undefined } as const;

/** Undefined when somebody else has put a directory of that name where everybody may write. */
function claimDirectory(): string | undefined {
  // Not that of userInfo(), which fails for a user without a name, as containers have them.
  const uid = process.getuid?.();
  const directory = join(tmpdir(), `slipstream-ports-${uid}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const found = lstatSync(directory);
  return found.isDirectory() && found.uid === uid ? directory : undefined;
}

/** Claims the first free port of those given; the sequence must not end. */
export async function claimFirstFree(candidates: Iterable<number>): Promise<ClaimedPort> {
  for (const port of candidates) {
    const claimed = await claimPort(port);
    if (claimed) return claimed;
  }
  throw new Error('all ports are taken');
}

/** Any ports that nobody uses, in no order. */
export async function claimFreePorts(count: number): Promise<ClaimedPort[]> {
  const claimed: ClaimedPort[] = [];
  while (claimed.length < count) claimed.push(await claimFirstFree(randomPorts()));
  return claimed;
}

function* randomPorts(): Generator<number> {
  const span = HIGHEST - LOWEST;
  const start = Math.floor(Math.random() * span);
  for (let step = 0; step < span; step += 1) yield LOWEST + ((start + step) % span);
}

async function isFree(port: number): Promise<boolean> {
  // All addresses: a port that is taken on any of them is not free.
  const answers = await canListen(port, '::');
  return answers === 'no IPv6' ? (await canListen(port, '0.0.0.0')) === 'free' : answers === 'free';
}

async function canListen(port: number, host: string): Promise<'free' | 'taken' | 'no IPv6'> {
  const server = createServer();
  try {
    server.listen({ port, host, exclusive: true });
    await once(server, 'listening');
    return 'free';
  } catch (error) {
    const code = errorCode(error);
    return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL' ? 'no IPv6' : 'taken';
  } finally {
    server.close();
  }
}
