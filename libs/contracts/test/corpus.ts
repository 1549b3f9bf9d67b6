import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EventBase } from '../src/index.js';

export const CORPUS = join(import.meta.dirname, 'corpus');

/** A message as it was published once, and the event that everybody who reads it has to get for ever. */
export interface RecordedMessage {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBase64: string;
  readonly event: EventBase;
}

/** Files of the corpus: one for each message, named after the subject, the content type and the day. */
export function readCorpus(): { readonly file: string; readonly recorded: RecordedMessage }[] {
  return readdirSync(CORPUS).map((file) => ({
    file,
    recorded: JSON.parse(readFileSync(join(CORPUS, file), 'utf8')) as RecordedMessage,
  }));
}
