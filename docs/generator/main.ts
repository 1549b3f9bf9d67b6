import 'reflect-metadata';
import { contracts } from '@slipstream/contracts';
import { describeMessages } from '@slipstream/service';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { isAnyStale, writeAll } from '../../tools/contracts/generated-files.ts';
import { catalogue } from './catalogue.js';
import { configuration } from './configuration.js';
import { httpApis } from './openapi.js';
import { services } from '../../apps/system.js';

const REFERENCE = join(import.meta.dirname, '..', 'reference');

const texts: [path: string, text: string][] = [
  ['events/README.md', catalogue(services)],
  ['configuration.md', configuration()],
  ['asyncapi.json', toJson(describeMessages(services))],
];
for (const { subject, type } of contracts) {
  texts.push([`events/${subject}.schema.json`, toJson(type.jsonSchema)]);
  texts.push([`events/${subject}.avsc`, toJson(type.avroSchemas[0])]);
}
for (const [app, document] of await httpApis()) texts.push([`http/${app}.openapi.json`, toJson(document)]);

const files = new Map<string, Buffer>();
for (const [path, text] of texts) files.set(path, Buffer.from(await formatted(path, text)));
if (!process.argv.includes('--check')) writeAll(REFERENCE, files);
else if (isAnyStale(REFERENCE, files)) process.exitCode = 1;
process.exit();

function toJson(value: object): string {
  return JSON.stringify(value);
}

async function formatted(path: string, text: string): Promise<string> {
  const filepath = join(REFERENCE, path);
  const parser = path.endsWith('.md') ? 'markdown' : 'json';
  return format(text, { ...(await resolveConfig(filepath)), parser });
}
