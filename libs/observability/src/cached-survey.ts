import { Logger } from '@nestjs/common';
import type { TransportSurvey } from '@slipstream/jetstream';

/** Asks the server about streams and consumers. */
export type SurveySource = () => Promise<TransportSurvey>;

const CACHE_MS = 1_000;
const TIMEOUT_MS = 2_000;
const NOTHING: TransportSurvey = { streams: [], consumers: [] };

/** A survey for scrapes: taken at most once a second, given up after two, and never failing the scrape. */
export class CachedSurvey {
  private readonly logger = new Logger('Metrics');
  private pending: Promise<TransportSurvey> | undefined;
  private askedAt = 0;
  private failing = false;

  constructor(
    private readonly source: SurveySource,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** What the server says; nothing while it does not answer, rather than what it said before. */
  read(): Promise<TransportSurvey> {
    if (this.pending === undefined || this.now() - this.askedAt >= CACHE_MS) {
      this.askedAt = this.now();
      this.pending = this.take();
    }
    return this.pending;
  }

  private async take(): Promise<TransportSurvey> {
    try {
      const survey = await withTimeout(this.source);
      this.failing = false;
      return survey;
    } catch (error) {
      // One line when reading starts to fail, not one for every scrape.
      if (!this.failing) this.logger.warn({ err: error, msg: 'streams and consumers could not be read' });
      this.failing = true;
      return NOTHING;
    }
  }
}

async function withTimeout(source: SurveySource): Promise<TransportSurvey> {
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
