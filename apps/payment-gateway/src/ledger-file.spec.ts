import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LedgerFile } from './ledger-file.js';

describe('ledger file', () => {
  let directory: string;
  let path: string;
  const opened: LedgerFile[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ledger-'));
    path = join(directory, 'nested', 'ledger.ndjson');
  });

  afterEach(async () => {
    await Promise.allSettled(opened.splice(0).map((file) => file.close()));
    await rm(directory, { recursive: true });
  });

  async function open(): Promise<{ file: LedgerFile; lines: string[] }> {
    const lines: string[] = [];
    const file = await LedgerFile.open(path, (line) => lines.push(line));
    opened.push(file);
    return { file, lines };
  }

  it('is made, with its directory, and holds a line once append resolved', async () => {
    const { file, lines } = await open();
    await file.append('one');
    expect(lines).toEqual([]);
    expect(await readFile(path, 'utf8')).toBe('one\n');
  });

  it('keeps the order of lines that arrive together', async () => {
    const { file } = await open();
    const expected = Array.from({ length: 500 }, (_, i) => `line ${i}`);
    await Promise.all(expected.map((line) => file.append(line)));
    expect((await open()).lines).toEqual(expected);
  });

  it('reads lines longer than one chunk, and characters of several bytes', async () => {
    const { file } = await open();
    const long = `${'é'.repeat(800_000)}€`;
    await file.append(long);
    await file.append('after');
    expect((await open()).lines).toEqual([long, 'after']);
  });

  it('drops a last line that a crash cut off, and goes on after the last whole one', async () => {
    const { file } = await open();
    await file.append('whole');
    await file.close();
    await appendFile(path, '{"type":"charge","key":"cut o');
    const again = await open();
    expect(again.lines).toEqual(['whole']);
    await again.file.append('next');
    expect(await readFile(path, 'utf8')).toBe('whole\nnext\n');
  });

  it('leaves the end of the file alone until it has something to append', async () => {
    const { file } = await open();
    await file.append('whole');
    await appendFile(path, 'half of a line that another process is writing');
    await open();
    expect(await readFile(path, 'utf8')).toContain('half of a line');
  });

  it('refuses every line after a write that failed', async () => {
    const { file } = await open();
    await file.append('one');
    await file.close();
    await expect(file.append('two')).rejects.toThrow('closed');
    await expect(file.append('three')).rejects.toThrow('could not be written');
    expect(() => file.assertWritable()).toThrow('restart to read what is on the disk');
    expect(await readFile(path, 'utf8')).toBe('one\n');
  });

  it('passes on what the reader of a line throws', async () => {
    await (await open()).file.append('good');
    await writeFile(path, 'good\nbad\n');
    const opening = LedgerFile.open(path, (line, number) => {
      if (line === 'bad') {
        throw new Error(`line ${number} is bad`);
      }
    });
    await expect(opening).rejects.toThrow('line 2 is bad');
  });
});
