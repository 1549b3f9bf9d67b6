import { describe, expect, it } from '@jest/globals';
import { findDockerfileProblems, pinnedNodeVersion, readDockerfile, readRecipe } from './dockerfile.ts';

describe('the Dockerfile', () => {
  it('has nothing wrong', () => {
    expect(findDockerfileProblems(readDockerfile(), pinnedNodeVersion())).toEqual([]);
  });

  it('says what is in the environment of every app', () => {
    expect(readRecipe(readDockerfile()).environment).toEqual({
      NODE_ENV: 'production',
      HOST: '0.0.0.0',
      SERVICE_VERSION: '0.1.0',
    });
  });

  it.each([
    ['an instruction that does not exist', /^WORKDIR/gm, 'WORKDR', /Unknown instruction: WORKDR/],
    ['an option that does not exist', '--from=build', '--frm=build', /Unknown flag: frm/],
    ['root', /^USER .*$/m, 'USER root', /USER is no number/],
    ['the number of root', /^USER .*$/m, 'USER 0', /USER is no number/],
    ['no user', /^USER .*$/m, '', /USER is no number/],
    ['a shell', /^ENTRYPOINT .*$/m, 'ENTRYPOINT node main.js', /ENTRYPOINT runs in a shell/],
    ['no check', /^HEALTHCHECK .*$/m, '', /no HEALTHCHECK/],
    ['a base that changes', /\$\{NODE_VERSION\}/g, '24', /base node:24-bookworm-slim is not pinned/],
    ['another Node.js', /NODE_VERSION=[\d.]+/, 'NODE_VERSION=24.0.1', /is not the Node.js/],
  ])('is not to have %s', (_, before, after, problem) => {
    const problems = findDockerfileProblems(readDockerfile().replace(before, after), pinnedNodeVersion());
    expect(problems.join('\n')).toMatch(problem);
  });
});
