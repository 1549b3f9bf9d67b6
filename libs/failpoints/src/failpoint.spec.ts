import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { armFailpoints, failpoint, FailpointError } from './failpoint.js';

describe('a failpoint', () => {
  it('does nothing in a process without faults', () => {
    expect(() => failpoint('any')).not.toThrow();
    expect(armFailpoints(undefined, undefined)).toBe(armFailpoints('', undefined));
  });

  it('throws at its nth hit and at no other', () => {
    const point = armFailpoints('a:2:throw, b:1:throw', undefined);
    const hit = (name: string) => () => point(name);
    expect(hit('a')).not.toThrow();
    expect(hit('a')).toThrow('failpoint a was hit 2 times');
    expect(hit('a')).not.toThrow();
    expect(hit('b')).toThrow(FailpointError);
    expect(hit('c')).not.toThrow();
  });

  it.each(['a', 'a:0:throw', 'a:1:explode', ':1:throw'])('refuses the fault "%s"', (spec) => {
    expect(() => armFailpoints(spec, undefined)).toThrow(/must be <point>:<nth, from 1>:<kill9\|throw>/);
  });

  it('takes the next part of its faults in each life of the process', () => {
    const directory = mkdtempSync(join(tmpdir(), 'failpoint-'));
    const log = join(directory, 'faults');
    const live = () => armFailpoints('a:1:throw;b:1:throw', log);
    expect(() => live()('a')).toThrow('failpoint a was hit');
    expect(() => live()('a')).not.toThrow();
    expect(() => live()('b')).toThrow('failpoint b was hit');
    expect(() => live()('b')).not.toThrow();
    expect(() => armFailpoints('a:1:throw;b:1:throw', undefined)).toThrow('needs FAULT_LOG');
    rmSync(directory, { recursive: true });
  });

  it('kills its process and leaves a line that proves it', () => {
    const directory = mkdtempSync(join(tmpdir(), 'failpoint-'));
    const log = join(directory, 'faults');
    const module = fileURLToPath(new URL('failpoint.ts', import.meta.url));
    const script = `const { failpoint } = await import(${JSON.stringify(module)});
      for (let n = 1; n <= 3; n++) { failpoint('a'); console.log(n); }`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, FAULT: 'a:3:kill9', FAULT_LOG: log },
    });
    expect(child.signal).toBe('SIGKILL');
    expect(child.stdout.toString()).toBe('1\n2\n');
    expect(readFileSync(log, 'utf8')).toBe(`${child.pid} a:3:kill9\n`);
    rmSync(directory, { recursive: true });
  });
});
