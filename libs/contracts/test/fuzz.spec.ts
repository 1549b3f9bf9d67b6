import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { CONTENT_TYPES, ContractError, contracts, decodeEvent, type ReceivedMessage } from '../src/index.js';
import { readCorpus, type RecordedMessage } from './corpus.js';
import { mutate, randomNumbers } from './mutations.js';
import { encoderFor, newestOf, received } from './samples.js';

/** Bad inputs for each codec. */
const BAD_INPUTS = 100_000;
/** Those of them that fast-check invents; the others are recorded messages with something done to them. */
const INVENTED = 5_000;
const encoder = encoderFor('application/json');
const CODES = /^CONTRACT_(MALFORMED|INVALID|TOO_DEEP)$/;

type Input = Pick<ReceivedMessage, 'subject'> & { readonly data: Buffer };

const corpus = readCorpus().map(({ recorded }) => recorded);
const ofType = (contentType: string) =>
  corpus.filter(({ headers }) => headers['content-type'] === contentType);
const bodyOf = ({ bodyBase64 }: RecordedMessage) => Buffer.from(bodyBase64, 'base64');

/** JSON whose fields hold what they never should. */
function hostileJson(recorded: readonly RecordedMessage[]) {
  const keys = fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'order_id',
    'lines',
  );
  const values = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom<unknown>(null, '', '1e999', -1, 1.5, 1e21, '\u0000', { __proto__: 1 }, [[[[]]]]),
  );
  return fc
    .tuple(fc.constantFrom(...recorded), fc.array(fc.tuple(keys, values), { minLength: 1, maxLength: 3 }))
    .map(([message, changes]) => {
      const rest = JSON.stringify(JSON.parse(bodyOf(message).toString())).slice(1);
      const added = changes.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)},`);
      // In front: of two fields with one name the last counts. Behind: it is the hostile one.
      const behind = `{${rest.slice(0, -1)},${added.join('').slice(0, -1)}}`;
      return { subject: message.subject, data: Buffer.from(behind) };
    });
}

/** What fast-check thinks of: bytes of any kind, and JSON that is meant ill. */
function inventedInputs(contentType: string) {
  const noise = fc.record({
    subject: fc.constantFrom(...contracts.map(({ subject }) => subject)),
    data: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  });
  return contentType.endsWith('json') ? fc.oneof(hostileJson(ofType(contentType)), noise) : noise;
}

/** True for what is refused as it should be. */
function isRefused(message: ReceivedMessage): boolean {
  try {
    requireValid(message);
    return false;
  } catch (error) {
    if (error instanceof ContractError && CODES.test(error.code) && error.path !== '') return true;
    throw new Error(`${message.subject}: ${Buffer.from(message.data).toString('base64')}`, { cause: error });
  }
}

/** What is read although it was changed, such as an id with another letter, is a valid event of its contract. */
function requireValid(message: ReceivedMessage): void {
  const { payload } = decodeEvent(message);
  const contract = contracts.find(({ subject }) => subject === message.subject);
  if (!contract) throw new Error(`there is no ${message.subject}`);
  const again = decodeEvent(received(encoder.encode(newestOf(contract), payload)));
  if (!isDeepStrictEqual(again.payload, payload))
    throw new Error('an event was read that cannot be published');
}

describe('bad input', () => {
  const { stackTraceLimit } = Error;

  beforeAll(() => {
    // Half a million stacks that nobody reads take most of the time.
    Error.stackTraceLimit = 0;
  });

  afterAll(() => {
    Error.stackTraceLimit = stackTraceLimit;
  });

  it.each(CONTENT_TYPES)(
    `of ${BAD_INPUTS} bodies as %s is refused with an error that names the place, and never read`,
    (contentType) => {
      const prototypes = describePrototypes();
      let refused = 0;
      const meet = (input: Input) => {
        if (isRefused({ ...input, header: () => contentType })) refused++;
      };
      fc.assert(fc.property(inventedInputs(contentType), meet), { numRuns: INVENTED });
      for (const input of mutatedInputs(contentType)) {
        meet(input);
        if (refused === BAD_INPUTS) break;
      }
      expect(refused).toBe(BAD_INPUTS);
      expect(describePrototypes()).toBe(prototypes);
    },
    300_000,
  );
});

function* mutatedInputs(contentType: string): Generator<Input> {
  const recorded = ofType(contentType);
  for (let seed = 1; ; seed++) {
    const message = recorded[seed % recorded.length];
    if (!message) throw new Error(`the corpus holds no ${contentType}`);
    yield { subject: message.subject, data: mutate(bodyOf(message), randomNumbers(seed)) };
  }
}

/** What is on the prototypes that everything inherits from. */
function describePrototypes(): string {
  const shared = [Object, Array, String, Number, Function];
  return JSON.stringify(shared.map(({ prototype }) => Reflect.ownKeys(prototype).map(String)));
}
