import { describe, expect, it } from '@jest/globals';
import { CONTENT_TYPES, contracts, decodeEvent } from '../src/index.js';
import { jsonSchemas } from '../src/generated/json-schemas.js';
import { readCorpus } from './corpus.js';

const corpus = readCorpus();

describe('the golden corpus', () => {
  it.each(corpus)('still says the same: $file', ({ recorded: { subject, headers, bodyBase64, event } }) => {
    const header = (name: string) => headers[name] ?? '';
    expect(decodeEvent({ subject, header, data: Buffer.from(bodyBase64, 'base64') }).payload).toEqual(event);
  });

  it('leaves no event out that the .proto files describe', () => {
    expect(contracts.map(({ subject }) => subject).toSorted()).toEqual(Object.keys(jsonSchemas).toSorted());
  });

  it('holds every version of every event in every encoding', () => {
    const recorded = corpus.map(
      ({ recorded: { subject, headers } }) => `${subject} ${headers['content-type']}`,
    );
    const all = contracts.flatMap(({ subject }) =>
      CONTENT_TYPES.map((contentType) => `${subject} ${contentType}`),
    );
    expect(all.filter((message) => !recorded.includes(message))).toEqual([]);
  });
});
