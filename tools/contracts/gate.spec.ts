import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT_DIR } from '../paths.ts';
import { generateContracts } from './generate.ts';

const CONTRACTS_DIR = join(ROOT_DIR, 'libs', 'contracts');
const ORDERS = 'proto/slipstream/orders/v1/orders.proto';
const RULES = 'proto/slipstream/rules/v1/rules.proto';
const REASON = /optional string reason = 4/;

describe('the gate of contracts', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'slipstream-gate-'));
    for (const part of ['proto', 'buf.yaml', 'baseline.binpb', 'src/generated']) {
      cpSync(join(CONTRACTS_DIR, part), join(directory, part), { recursive: true });
    }
  });

  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  function edit(file: string, from: string | RegExp, to: string): void {
    const text = readFileSync(join(directory, file), 'utf8');
    const edited = text.replace(from, to);
    if (edited === text) throw new Error(`${file} holds no ${from}`);
    writeFileSync(join(directory, file), edited);
  }

  it('lets the contracts through as they are, and finds what is generated up to date', async () => {
    for (const [path, content] of await generateContracts(directory)) {
      expect([path, content.equals(readFileSync(join(CONTRACTS_DIR, path)))]).toEqual([path, true]);
    }
  }, 60_000);

  it('lets an optional field through and keeps the earlier Avro schema', async () => {
    edit(
      ORDERS,
      /(optional string reason = 4[^;]*;)/,
      '$1\n  // Who cancelled it.\n  optional string actor = 5;',
    );
    const files = await generateContracts(directory);
    expect(files.get('src/generated/wire.ts')?.toString()).toContain('readonly actor?: string | undefined;');
    const schemas = files.get('src/generated/avro-schemas.ts')?.toString() ?? '';
    const cancelled = JSON.parse(schemas.slice(schemas.indexOf('= {') + 2, -2))['orders.cancelled.v1'];
    const names = cancelled.map(({ fields }: { fields: { name: string }[] }) =>
      fields.map(({ name }) => name),
    );
    expect(names).toEqual([
      ['message_id', 'order_id', 'created_at', 'reason', 'actor'],
      ['message_id', 'order_id', 'created_at', 'reason'],
    ]);
  }, 60_000);

  it.each([
    [
      'a field that is removed',
      ORDERS,
      /  \/\/ Why, for people\.\n  optional string reason = 4[^;]*;\n/,
      '',
      'reason',
    ],
    ['a field that is renamed', ORDERS, REASON, 'optional string cause = 4', 'reason'],
    ['a field of another type', ORDERS, REASON, 'optional int32 reason = 4', 'reason'],
    ['a field of another number', ORDERS, REASON, 'optional string reason = 5', 'reason'],
    [
      'a field that is required from now on',
      ORDERS,
      'currency = 6 [',
      'currency = 6 [(slipstream.rules.v1.required) = true, ',
      'currency',
    ],
    [
      'a field that is not required any more',
      ORDERS,
      /(total_amount = 4 [^\]]*),\s*\(slipstream\.rules\.v1\.required\) = true/,
      '$1',
      'total_amount',
    ],
    [
      'a new field that is required',
      ORDERS,
      /(optional string reason = 4[^;]*;)/,
      '$1\n  // Who.\n  optional string actor = 5 [(slipstream.rules.v1.required) = true];',
      'actor',
    ],
    ['a rule that is tighter', RULES, '{1,64}$"', '{1,32}$"', 'message_id'],
    [
      'a rule that is looser, which consumers of yesterday do not know',
      RULES,
      'maximum: 1000000\n',
      'maximum: 2000000\n',
      'quantity',
    ],
    [
      'an event on another subject',
      ORDERS,
      '"orders.cancelled.v1"',
      '"orders.canceled.v1"',
      'orders.cancelled.v1',
    ],
    ['a field of which nobody can tell zero from absent', ORDERS, REASON, 'string reason = 4', 'reason'],
  ])(
    'refuses %s and names it',
    async (_, file, from, to, name) => {
      edit(file, from, to);
      await expect(generateContracts(directory)).rejects.toThrow(
        new RegExp(`\\b${name.replaceAll('.', '\\.')}\\b`),
      );
    },
    60_000,
  );

  it('refuses a field without a comment, which the documents are made of', async () => {
    edit(ORDERS, '  // Why, for people.\n', '');
    await expect(generateContracts(directory)).rejects.toThrow(/reason/);
  }, 60_000);
});
