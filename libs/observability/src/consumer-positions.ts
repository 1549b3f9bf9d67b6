import { Logger } from '@nestjs/common';
import type { ConsumerPosition } from '@slipstream/jetstream';

/** Asks the server for the positions of the consumers of this process. */
export type PositionSource = () => Promise<readonly ConsumerPosition[]>;

const CACHE_MS = 1_000;
const TIMEOUT_MS = 2_000;

/** Positions for a scrape: asked at most once a second, never longer than two, and never failing the scrape. */
export class ConsumerPositions {
  private readonly logger = new Logger('ConsumerPositions');
  private readonly sources = new Set<PositionSource>();
  private pending: Promise<readonly ConsumerPosition[]> | undefined;
  private askedAt = 0;
  private failing = false;

  constructor(private readonly now: () => number = () => performance.now()) {}

  add(source: PositionSource): void {
    this.sources.add(source);
    this.pending = undefined;
  }

  remove(source: PositionSource): void {
    this.sources.delete(source);
    this.pending = undefined;
  }

  /** The positions that could be read; those of a source that failed are left out, not repeated from before. */
  read(): Promise<readonly ConsumerPosition[]> {
    if (this.pending === undefined || this.now() - this.askedAt >= CACHE_MS) {
      this.askedAt = this.now();
      this.pending = this.ask();
    }
    return this.pending;
  }

  private async ask(): Promise<readonly ConsumerPosition[]> {
    const answers = await Promise.allSettled([...this.sources].map((source) => withTimeout(source)));
    const failure = answers.find((answer) => answer.status === 'rejected');
    this.report(failure?.reason);
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  }

  /** One line when reading starts to fail, not one for every scrape. */
  private report(failure: unknown): void {
    if (failure !== undefined && !this.failing) {
      this.logger.warn({ err: failure, msg: 'consumer positions could not be read' });
    }
    this.failing = failure !== undefined;
  }
}

async function withTimeout(source: PositionSource): Promise<readonly ConsumerPosition[]> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${TIMEOUT_MS} ms.`)), TIMEOUT_MS);
  });
  try {
    return await Promise.race([source(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
