import { describe, expect, it } from '@jest/globals';
import asyncApiSpecs from '@asyncapi/specs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { Ajv } from 'ajv';
import avro from 'avsc';
import { globSync, readFileSync } from 'node:fs';
import { contracts } from '@slipstream/contracts';
import { describeMessages } from '@slipstream/service';
import { services } from '../../apps/system.js';

const REFERENCE = 'docs/reference';
const read = (file: string) =>
  JSON.parse(readFileSync(`${REFERENCE}/${file}`, 'utf8')) as Record<string, never>;

// The schema names formats and keywords of its own; they restrict nothing here.
const isAsyncApi = new Ajv({ strict: false, logger: false, validateFormats: false }).compile(
  asyncApiSpecs.schemasWithoutId['3.0.0'],
);

/** Errors of a document by the official schema of AsyncAPI 3.0.0. */
function asyncApiErrors(document: unknown): unknown[] {
  isAsyncApi(document);
  return isAsyncApi.errors ?? [];
}

/** `#/channels/orders.created.v1` and the like, wherever they are. */
function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : referencesIn(inner),
  );
}

function isResolved(document: unknown, reference: string): boolean {
  const steps = reference.replace('#/', '').split('/');
  return (
    steps.reduce<unknown>(
      (value, step) => (value as Record<string, unknown> | undefined)?.[step],
      document,
    ) !== undefined
  );
}

describe('the reference', () => {
  const documents: [name: string, document: object][] = [
    ['of the whole system', read('asyncapi.json')],
    ...services.map((service) => [`of ${service.name}`, describeMessages([service])] as [string, object]),
  ];

  it.each(documents)('AsyncAPI document %s is valid by the official schema', (_, document) => {
    expect(asyncApiErrors(document)).toEqual([]);
    const references = referencesIn(document);
    expect(references.length).toBeGreaterThan(0);
    expect(references.filter((reference) => !isResolved(document, reference))).toEqual([]);
  });

  it('AsyncAPI document that is broken is found out', () => {
    const document = read('asyncapi.json');
    expect(asyncApiErrors({ ...document, operations: { lost: { action: 'forward' } } })).not.toEqual([]);
  });

  it('AsyncAPI document has a channel for each event, and every durable that reads it', () => {
    const { channels, operations } = read('asyncapi.json');
    expect(Object.keys(channels ?? {})).toEqual(
      expect.arrayContaining(contracts.map(({ subject }) => subject)),
    );
    const durables = Object.values(operations ?? {}).flatMap(
      (operation) => (operation as { 'x-jetstream'?: { durable: string } })['x-jetstream']?.durable ?? [],
    );
    expect([...new Set(durables)].toSorted()).toEqual([
      'audit-inventory',
      'audit-orders',
      'audit-payments',
      'inventory-orders',
      'order-intake',
      'order-inventory',
      'order-payments',
      'payment-orders',
    ]);
  });

  it.each(globSync(`${REFERENCE}/http/*.json`))(
    '%s is valid by the official schema of OpenAPI',
    async (file) => {
      const result = await new Validator().validate(
        JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>,
      );
      expect(result.errors ?? []).toEqual([]);
      expect(result.valid).toBe(true);
    },
  );

  it('has an OpenAPI document for every app that has an API', () => {
    const described = globSync(`${REFERENCE}/http/*.json`).map((file) =>
      file.replace(/.*\/(.*)\.openapi\.json/, '$1'),
    );
    const apps = globSync('apps/*/src/main.ts')
      .filter((file) => readFileSync(file, 'utf8').includes('describe:'))
      .map((file) => file.split('/')[1]);
    expect(described.toSorted()).toEqual(apps.toSorted());
  });

  it.each(contracts)(
    'has a JSON Schema and an Avro schema of $subject that take its example',
    ({ subject }) => {
      const { examples, ...schema } = read(`events/${subject}.schema.json`);
      const validate = new Ajv2020({ strict: true }).compile(schema);
      const [example] = examples as unknown as object[];
      validate(example);
      expect(validate.errors ?? []).toEqual([]);
      expect(validate({})).toBe(false);
      const type = avro.Type.forSchema(read(`events/${subject}.avsc`) as unknown as avro.Schema);
      expect(type.isValid(example)).toBe(true);
    },
  );
});
