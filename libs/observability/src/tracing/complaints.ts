import { redact } from '@slipstream/redaction';

const LONGEST = 500;
const INTERVAL_MS = 60_000;

/** Passes on what OpenTelemetry complains about, once a minute: while a collector is away it does so every few seconds. */
export class Complaints {
  private quietUntil = 0;

  constructor(
    private readonly tell: (message: string) => void,
    private readonly now: () => number = Date.now,
  ) {}

  readonly take = (message: string, ...rest: readonly unknown[]): void => {
    if (this.now() < this.quietUntil) return;
    this.quietUntil = this.now() + INTERVAL_MS;
    this.tell(redact([message, ...rest].map(String).join(' '), LONGEST));
  };
}
