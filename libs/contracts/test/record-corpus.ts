// Run by "npm run generate". Adds a message of each event and encoding that the corpus lacks. What is recorded is never written again.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONTENT_TYPES, contracts } from '../src/index.js';
import { CORPUS, readCorpus, type RecordedMessage } from './corpus.js';
import { encoderFor, sampleOf } from './samples.js';

const keyOf = ({ subject, headers }: Pick<RecordedMessage, 'subject' | 'headers'>) =>
  `${subject} ${headers['content-type']}`;

const known = new Set(readCorpus().map(({ recorded }) => keyOf(recorded)));
for (const contract of contracts) {
  for (const contentType of CONTENT_TYPES) {
    const event = sampleOf(contract);
    const { subject, headers, data } = encoderFor(contentType).encode(contract, event);
    const recorded: RecordedMessage = {
      subject,
      headers,
      bodyBase64: Buffer.from(data).toString('base64'),
      event,
    };
    if (known.has(keyOf(recorded))) continue;
    const day = new Date().toISOString().slice(0, 10);
    const name = `${subject}.${contentType.replace('application/', '')}.${day}.json`;
    writeFileSync(join(CORPUS, name), `${JSON.stringify(recorded, undefined, 2)}\n`);
  }
}
