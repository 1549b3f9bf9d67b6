import { describe, expect, it } from '@jest/globals';
import { InvalidOptionsError } from './errors.js';
import { resolveJetStreamOptions, type JetStreamOptions } from './jetstream.options.js';
import type { StreamDefinition } from './topology/stream-definition.js';

const ORDERS = { name: 'ORDERS', subjects: ['orders.*.*'], deadLetterSubject: 'orders.dlq' };
const GOOD: JetStreamOptions = { service: 'shop', connection: {}, streams: [ORDERS] };

const withStreams = (...streams: StreamDefinition[]) => ({ streams });
const withOrders = (changes: Partial<StreamDefinition>) => withStreams({ ...ORDERS, ...changes });

describe('options of the module', () => {
  it('have defaults', () => {
    const { connection: _, observer: __, codec, isOutage, ...plain } = resolveJetStreamOptions(GOOD);
    expect(plain).toEqual({
      service: 'shop',
      version: '0.0.0',
      streams: [ORDERS],
      replicas: 1,
      limits: {},
      topology: 'ensure',
      tracing: false,
      sweepsAdvisories: true,
      handlers: {},
      shutdownTimeoutMs: 20_000,
    });
    expect(codec.decode({ subject: 'a', data: Buffer.from('{"n":1}') }).payload).toEqual({ n: 1 });
    expect(isOutage(new Error('any'))).toBe(false);
  });

  it('leave sweeping to others where nothing may be created', () => {
    expect(resolveJetStreamOptions({ ...GOOD, topology: 'bind' }).sweepsAdvisories).toBe(false);
  });

  it.each<[string, Partial<JetStreamOptions>, RegExp]>([
    ['no name of the service', { service: '' }, /service must be a name/],
    ['too many replicas', { replicas: 6 }, /replicas must be a whole number from 1 to 5 and is 6/],
    [
      'an unknown topology',
      { topology: 'none' as never },
      /topology "none" is unknown; choose ensure or bind/,
    ],
    ['no time to stop', { shutdownTimeoutMs: NaN }, /shutdownTimeoutMs must be 0 or more and is NaN/],
    ['an age below nothing', { limits: { maxAgeMs: -1 } }, /limits\.maxAgeMs of the module must be above 0/],
    [
      'no bytes',
      withOrders({ limits: { maxBytes: 0 } }),
      /limits\.maxBytes of stream ORDERS must be above 0/,
    ],
    ['a dot in a name', withOrders({ name: 'a.b' }), /stream "a\.b" must be named with/],
    ['no subject', withOrders({ subjects: [] }), /stream ORDERS must hold at least one subject/],
    ['a malformed subject', withOrders({ subjects: ['a b'] }), /"a b" of stream ORDERS is no NATS subject/],
    [
      'no subject of dead letters',
      withOrders({ deadLetterSubject: '' }),
      /deadLetterSubject "" of stream ORDERS/,
    ],
    [
      'dead letters in the stream itself',
      withOrders({ deadLetterSubject: 'orders.dead.letters' }),
      /"orders\.dead\.letters" of stream ORDERS_DLQ overlaps with "orders\.\*\.\*" of ORDERS/,
    ],
    [
      'streams that share a subject',
      withStreams(ORDERS, { name: 'ALL', subjects: ['orders.>'], deadLetterSubject: 'all.dlq' }),
      /"orders\.>" of stream ALL overlaps with "orders\.\*\.\*" of ORDERS; a message lies in one stream/,
    ],
    ['a stream twice', withStreams(ORDERS, ORDERS), /stream ORDERS is declared twice/],
    [
      "the transport's own subjects",
      withOrders({ subjects: ['operations.>'] }),
      /overlaps with .* of OPERATIONS/,
    ],
  ])('are refused with %s', (_, changes, sentence) => {
    const resolve = () => resolveJetStreamOptions({ ...GOOD, ...changes });
    expect(resolve).toThrow(InvalidOptionsError);
    expect(resolve).toThrow(sentence);
  });

  it('are refused with a sentence for each problem', () => {
    const resolve = () => resolveJetStreamOptions({ ...GOOD, service: '', replicas: 0 });
    expect(resolve).toThrow(expect.objectContaining({ problems: [expect.any(String), expect.any(String)] }));
  });
});
