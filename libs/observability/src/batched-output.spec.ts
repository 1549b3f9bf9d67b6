import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { BatchedOutput } from './batched-output.js';
import { createLog } from './log.js';

describe('batched output', () => {
  let directory: string;
  let path: string;
  let output: BatchedOutput;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'log-'));
    path = join(directory, 'log.ndjson');
    output = new BatchedOutput(pino.destination({ dest: path, sync: false, minLength: 1 }));
  });

  afterEach(() => rm(directory, { recursive: true }));

  const flush = (log: { flush(done: () => void): void }) => promisify(log.flush.bind(log))();

  it('has written every line, in order, once a flush calls back', async () => {
    const log = createLog('x', {}, output);
    for (let i = 0; i < 5_000; i += 1) {
      log.info({ i }, 'line');
    }
    await flush(log);
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).i)).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
  });

  it('writes on its own, without a flush', async () => {
    output.write('alone\n');
    let content = '';
    while (content === '') {
      content = await readFile(path, 'utf8').catch(() => '');
    }
    expect(content).toBe('alone\n');
  });

  it('calls back from a flush with nothing to write', async () => {
    await expect(flush(createLog('x', {}, output))).resolves.toBeUndefined();
  });
});
