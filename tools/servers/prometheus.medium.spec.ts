import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimFreePorts } from '../process/free-ports.ts';
import { findPrometheus, startPrometheus } from './prometheus.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-prometheus-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('a prometheus on PATH with its promtool is taken before one is fetched', async () => {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  for (const name of ['prometheus', 'promtool']) {
    writeFileSync(join(bin, name), `#!/bin/sh\necho '${name}, version 3.5.0 (branch: HEAD)'\n`);
    chmodSync(join(bin, name), 0o755);
  }
  expect(await findPrometheus({ cacheDir: directory, env: { PATH: bin } })).toEqual({
    server: join(bin, 'prometheus'),
    promtool: join(bin, 'promtool'),
    version: '3.5.0',
    origin: 'PATH',
  });
});

const server = process.env.PROMETHEUS_BIN;
// The run has found out whether there is a Prometheus here.
const describePrometheus = server ? describe : describe.skip;

describePrometheus('a prometheus that was found', () => {
  it('answers, and is gone after it was stopped', async () => {
    const [claimed] = await claimFreePorts(1);
    const configFile = join(directory, 'prometheus.yml');
    writeFileSync(configFile, 'scrape_configs: []\n');
    const running = await startPrometheus({
      server: server ?? '',
      configFile,
      port: claimed?.port ?? 0,
      directory,
    });
    const answer = await fetch(`${running.url}/api/v1/query?query=1`);
    expect(await answer.json()).toMatchObject({ status: 'success' });
    await running.stop();
    expect(() => process.kill(running.pid, 0)).toThrow('ESRCH');
    claimed?.release();
  });

  it('with a configuration that is none says what is wrong with it', async () => {
    const [claimed] = await claimFreePorts(1);
    const configFile = join(directory, 'prometheus.yml');
    writeFileSync(configFile, 'scrapes: []\n');
    const starting = startPrometheus({
      server: server ?? '',
      configFile,
      port: claimed?.port ?? 0,
      directory,
    });
    await expect(starting).rejects.toThrow('field scrapes not found');
    claimed?.release();
  });
});
