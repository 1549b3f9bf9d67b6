import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT_DIR } from '../paths.ts';
import { runCommand } from '../servers/run-command.ts';
import { SetupError } from '../setup-error.ts';
import { avroSchema, isSameSchema } from './avro-schema.ts';
import { type EventSchemas, findBreaks } from './compatibility.ts';
import type { GeneratedFiles } from './generated-files.ts';
import { ContractImage } from './image.ts';
import { eventSchema } from './json-schema.ts';
import { wireTypes } from './wire-types.ts';

type AvroSchemas = Readonly<Record<string, readonly object[]>>;

const BIN = join(ROOT_DIR, 'node_modules', '.bin');
const BASELINE = 'baseline.binpb';
const GENERATED = join('src', 'generated');
const AVRO_SCHEMAS = join(GENERATED, 'avro-schemas.ts');
const HEADER = '// Generated from the .proto files by "npm run generate". Do not edit.\n\n';
const JSON_SCHEMAS = 'Readonly<Record<string, Readonly<Record<string, unknown>>>>';
const PLUGIN = {
  version: 'v2',
  plugins: [{ local: 'protoc-gen-es', out: '.', opt: ['target=ts', 'import_extension=js'] }],
};

/**
 * Lints the contracts in `directory` (`proto/`, `buf.yaml`, the baseline), compares them with the baseline and says what
 * has to be generated from them, by paths in it.
 * @throws SetupError naming the field of a contract that is malformed or breaks somebody
 */
export async function generateContracts(directory: string): Promise<GeneratedFiles> {
  const scratch = mkdtempSync(join(tmpdir(), 'slipstream-contracts-'));
  try {
    const imageFile = join(scratch, 'image.binpb');
    const buf = (...args: string[]) => runBuf(directory, args);
    await buf('build', '--output', imageFile);
    const compiled = readFileSync(imageFile);
    const image = new ContractImage(compiled);
    const schemas = schemasOf(image);
    refuseBreaks(directory, schemas);
    await allOf([buf('lint', imageFile), buf('breaking', imageFile, '--against', BASELINE)]);
    await buf(
      'generate',
      imageFile,
      '--template',
      JSON.stringify(PLUGIN),
      '--output',
      join(scratch, 'proto'),
    );
    const avroSchemas = await avroSchemasOf(image, join(directory, AVRO_SCHEMAS));
    return new Map([
      ...filesBelow(join(scratch, 'proto'), join(GENERATED, 'proto')),
      [BASELINE, withoutComments(compiled)],
      [join(GENERATED, 'wire.ts'), Buffer.from(HEADER + wireTypes(image))],
      [join(GENERATED, 'json-schemas.ts'), toModule(`jsonSchemas: ${JSON_SCHEMAS}`, schemas)],
      [AVRO_SCHEMAS, toModule('avroSchemas: Readonly<Record<string, readonly object[]>>', avroSchemas)],
    ]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Waits for all of them, so that none still writes where something is being removed. */
async function allOf(tasks: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(tasks)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function runBuf(directory: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH}` };
  try {
    return await runCommand(join(BIN, 'buf'), args, { cwd: directory, env });
  } catch (error) {
    const { message } = error as Error;
    throw new SetupError(`The contracts are refused by "buf ${args[0]}".\n${message}`);
  }
}

function refuseBreaks(directory: string, schemas: EventSchemas): void {
  const before = new ContractImage(readFileSync(join(directory, BASELINE)));
  const breaks = findBreaks(schemasOf(before), schemas);
  if (breaks.length === 0) return;
  const advice = 'Leave the version as it is and add a new one: docs/contracts.md.';
  throw new SetupError(`The contracts break those who use them.\n${breaks.join('\n')}\n${advice}`);
}

/** What was released changes only when a contract does. */
function withoutComments(compiled: Uint8Array): Buffer {
  const set = fromBinary(FileDescriptorSetSchema, compiled);
  for (const file of set.file) delete file.sourceCodeInfo;
  return Buffer.from(toBinary(FileDescriptorSetSchema, set));
}

function schemasOf(image: ContractImage): EventSchemas {
  return Object.fromEntries(
    image.events().map(({ subject, message }) => [subject, eventSchema(image, subject, message)]),
  );
}

/** The newest schema of each event, and after it those of earlier releases: their messages are still in the streams. */
async function avroSchemasOf(image: ContractImage, file: string): Promise<AvroSchemas> {
  const { avroSchemas: known } = (await import(pathToFileURL(file).href)) as { avroSchemas: AvroSchemas };
  return Object.fromEntries(
    image.events().map(({ subject, message }) => {
      const newest = avroSchema(image, message);
      const earlier = known[subject] ?? [];
      return [subject, [newest, ...earlier.slice(isSameSchema(earlier[0], newest) ? 1 : 0)]];
    }),
  );
}

function toModule(declaration: string, value: unknown): Buffer {
  return Buffer.from(`${HEADER}export const ${declaration} = ${JSON.stringify(value, undefined, 2)};\n`);
}

function filesBelow(directory: string, as: string): [string, Buffer][] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => [join(as, relative(directory, file)), readFileSync(file)]);
}
