import { describe, expect, it } from '@jest/globals';
import { Output } from './output.js';

describe('the output', () => {
  let written: string;

  function output(isJson: boolean, isTTY: boolean): Output {
    written = '';
    return new Output(isJson, { isTTY, write: (text) => (written += text) });
  }

  const ROWS = [{ name: 'a\tb' }, { name: '\u001b[31mred' }];
  const COLUMNS = [['name', ({ name }: { name: string }) => name]] as const;

  it('is a table on a terminal, which no message can colour', () => {
    output(false, true).table(ROWS, COLUMNS, 'none');
    expect(written).toContain('│');
    expect(written).not.toContain('\u001b');
  });

  it('is one line for each row elsewhere, whatever is in it', () => {
    output(false, false).table(ROWS, COLUMNS, 'none');
    expect(written).toBe('name\na b\n�[31mred\n');
  });

  it('says when there is nothing, on a terminal only', () => {
    output(false, true).table([], COLUMNS, 'There is none.');
    expect(written).toBe('There is none.\n');
    output(false, false).table([], COLUMNS, 'There is none.');
    expect(written).toBe('name\n');
  });

  it('is one versioned document when asked for JSON', () => {
    output(true, true).result('kind', { a: 1 }, () => undefined);
    expect(JSON.parse(written)).toEqual({ version: 1, kind: 'kind', data: { a: 1 } });
  });
});
