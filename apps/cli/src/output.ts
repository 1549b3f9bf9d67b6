import Table from 'cli-table3';

/** Version of what `--json` prints; raised when something is renamed or taken away. */
const SCHEMA_VERSION = 1;

/** A column of a table: its title and how a row is shown in it. */
export type Column<Row> = readonly [title: string, show: (row: Row) => string | number | null | undefined];

export interface Sink {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Prints results: tables on a terminal, tab-separated lines elsewhere, one JSON document if asked. */
export class Output {
  constructor(
    private readonly isJson: boolean,
    private readonly sink: Sink = process.stdout,
  ) {}

  /**
   * @param kind names the shape of `data` in the JSON document
   * @param show prints the same for people
   */
  result(kind: string, data: unknown, show: () => void): void {
    if (this.isJson) this.line(JSON.stringify({ version: SCHEMA_VERSION, kind, data }, null, 2));
    else show();
  }

  line(text: string): void {
    this.sink.write(`${text}\n`);
  }

  /** Prints what came from outside. */
  text(text: string): void {
    this.line(toPrintable(text));
  }

  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], whenEmpty: string): void {
    const titles = columns.map(([title]) => title);
    const cells = rows.map((row) => columns.map(([, show]) => toCell(show(row))));
    if (!this.sink.isTTY) {
      for (const line of [titles, ...cells]) this.line(line.map(toPlain).join('\t'));
    } else if (rows.length === 0) {
      this.line(whenEmpty);
    } else {
      const table = new Table({ head: titles, style: { head: [], border: [], compact: true } });
      table.push(...cells.map((line) => line.map(toPrintable)));
      this.line(table.toString());
    }
  }
}

function toCell(value: string | number | null | undefined): string {
  return value === null || value === undefined ? '' : String(value);
}

function toPlain(text: string): string {
  return toPrintable(text).replaceAll(/[\t\n]/g, ' ');
}

/** Messages come from anywhere; an escape sequence in one must not reach the terminal. */
export function toPrintable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, '�');
}
