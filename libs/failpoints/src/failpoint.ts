import { appendFileSync, readFileSync } from 'node:fs';

/** Thrown by an armed failpoint whose action is `throw`. */
export class FailpointError extends Error {
  override readonly name = 'FailpointError';
  readonly code = 'FAILPOINT';
}

type Action = 'kill9' | 'throw';

interface Fault {
  readonly point: string;
  readonly nth: number;
  readonly action: Action;
}

type Failpoint = (point: string) => void;

const inert: Failpoint = () => undefined;

/**
 * Marks a place where a process may die or fail, such as `jetstream.before-ack`. Does nothing unless `FAULT` was set when
 * the process started: `<point>:<nth>:<kill9|throw>`, several with commas between them. At its nth hit the process kills
 * itself with SIGKILL, or the call throws a `FailpointError`; before that, a line `<pid> <point>:<nth>:<action>` is appended to the
 * file `FAULT_LOG` names, which proves that the place was reached.
 *
 * Semicolons separate the lives of a process that is restarted: it takes the part after as many as the log has lines, and
 * lives on when there is none.
 */
export const failpoint: Failpoint = armFailpoints(process.env['FAULT'], process.env['FAULT_LOG']);

/** @throws Error when `spec` cannot be read: a fault that never fires would let a test pass that proves nothing */
export function armFailpoints(spec: string | undefined, log: string | undefined): Failpoint {
  if (!spec) return inert;
  const lives = spec.split(';').map((life) => life.split(',').map(parseFault));
  const faults = lives.length === 1 ? lives[0] : lives[countFired(log)];
  if (!faults) return inert;
  const hits = new Map<string, number>();
  return (point) => {
    const hit = (hits.get(point) ?? 0) + 1;
    hits.set(point, hit);
    const fault = faults.find((candidate) => candidate.point === point && candidate.nth === hit);
    if (fault) fire(fault, log);
  };
}

function countFired(log: string | undefined): number {
  if (!log) throw new Error('FAULT with more than one life needs FAULT_LOG, which counts them');
  try {
    return readFileSync(log, 'utf8').split('\n').length - 1;
  } catch {
    // Nothing has fired yet.
    return 0;
  }
}

function parseFault(text: string): Fault {
  const [, point, nth, action] = /^([\w.-]+):([1-9]\d*):(kill9|throw)$/.exec(text.trim()) ?? [];
  if (!point) throw new Error(`FAULT "${text}" must be <point>:<nth, from 1>:<kill9|throw>`);
  return { point, nth: Number(nth), action: action as Action };
}

function fire({ point, nth, action }: Fault, log: string | undefined): void {
  if (log) appendFileSync(log, `${process.pid} ${point}:${nth}:${action}\n`);
  if (action === 'kill9') process.kill(process.pid, 'SIGKILL');
  throw new FailpointError(`failpoint ${point} was hit ${nth} times`);
}
