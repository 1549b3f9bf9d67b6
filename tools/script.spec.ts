import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT_DIR } from './paths.ts';

describe.each(['bench', 'credentials', 'deploy', 'faults', 'generate'])('npm run %s', (name) => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join('tools', `${name}.mjs`), ...args], { cwd: ROOT_DIR, encoding: 'utf8' });

  it('says what it can be asked for', () => {
    const { status, stdout } = run('--help');
    expect(stdout).toContain(`Usage: npm run ${name} -- `);
    expect(status).toBe(0);
  });

  it('does nothing when it is asked for what it does not know, and says so', () => {
    const { status, stderr, stdout } = run('--nonsense');
    expect(stderr).toContain("error: unknown option '--nonsense'");
    expect(stderr).toContain(`Usage: npm run ${name} -- `);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });
});
