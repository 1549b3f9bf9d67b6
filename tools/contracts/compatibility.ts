import { isDeepStrictEqual } from 'node:util';
import type { JsonSchema } from './json-schema.ts';

export type EventSchemas = Readonly<Record<string, JsonSchema>>;

/**
 * What an event may not change within its version, one sentence each with the name of the field: anything a consumer or a
 * producer of yesterday relies on. Only optional fields may be added.
 */
export function findBreaks(before: EventSchemas, after: EventSchemas): string[] {
  return Object.entries(before).flatMap(([subject, schema]) => {
    const now = after[subject];
    return now ? compareObjects(subject, '', [schema, now]) : [`${subject}: the event is gone`];
  });
}

function compareObjects(subject: string, path: string, [before, after]: [JsonSchema, JsonSchema]): string[] {
  const known = before.properties ?? {};
  const added = Object.keys(after.properties ?? {}).filter((name) => !(name in known));
  const names = [...Object.keys(known), ...added];
  return names.flatMap((name) => {
    const at = `${subject}: field "${path}${name}"`;
    const is = after.required?.includes(name) ?? false;
    if (!(name in known)) return is ? [`${at} is new and must therefore be optional`] : [];
    const now = after.properties?.[name];
    if (!now) return [`${at} is gone`];
    const was = before.required?.includes(name) ?? false;
    const requirement = was === is ? [] : [`${at} was ${was ? '' : 'not '}required`];
    return [...requirement, ...compareValues(subject, `${path}${name}`, [known[name] ?? {}, now])];
  });
}

function compareValues(subject: string, path: string, [before, after]: [JsonSchema, JsonSchema]): string[] {
  const { properties: _before, required: _was, description: _old, items: itemsBefore, ...was } = before;
  const { properties: _after, required: _is, description: _new, items: itemsAfter, ...is } = after;
  if (!isDeepStrictEqual(was, is)) {
    return [`${subject}: field "${path}" was ${JSON.stringify(was)} and is ${JSON.stringify(is)}`];
  }
  if (itemsBefore && itemsAfter) return compareValues(subject, `${path}[]`, [itemsBefore, itemsAfter]);
  return before.properties ? compareObjects(subject, `${path}.`, [before, after]) : [];
}
