import type { DestinationStream, pino } from 'pino';

/** Lines are handed on at this many characters at the latest. */
const MAX_PENDING = 32 * 1024;

/**
 * Collects the lines of one turn of the event loop and hands them on as one. The stream behind it measures all it
 * holds on every write, which at thousands of lines a second costs more than making the lines.
 */
export class BatchedOutput implements DestinationStream {
  private pending = '';
  private scheduled = false;

  constructor(private readonly target: ReturnType<typeof pino.destination>) {
    process.once('exit', () => this.flushSync());
  }

  write(line: string): void {
    this.pending += line;
    if (this.pending.length >= MAX_PENDING) {
      this.handOn();
    } else if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        this.handOn();
      });
    }
  }

  /** Calls back once everything written so far has left the process. */
  flush(done: (error?: Error | null) => void): void {
    this.handOn();
    this.target.flush(done);
  }

  private flushSync(): void {
    this.handOn();
    this.target.flushSync();
  }

  private handOn(): void {
    if (this.pending !== '') {
      const lines = this.pending;
      this.pending = '';
      this.target.write(lines);
    }
  }
}
