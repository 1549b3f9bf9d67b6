import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

/** An environment variable as readers of the reference see it. */
export interface Variable {
  readonly name: string;
  /** What is taken when it is unset; undefined when nothing is. */
  readonly unset: string | undefined;
  readonly description: string;
}

/** Schemas of environment variables by their names, as the `shape` of an object schema. */
export type Shape = Readonly<Record<string, z.ZodType>>;

/** @throws Error naming a variable of which the schema leaves something unsaid */
export function readVariables(shape: Shape): Variable[] {
  return Object.entries(shape).map(([name, schema]) => {
    const { description, enum: values } = jsonSchemaOf(schema);
    if (!description) {
      throw new Error(
        `${name} has no description: end its schema with .describe('what it does, with the unit')`,
      );
    }
    const allowed = values ? ` One of ${values.map((value) => `\`${String(value)}\``).join(', ')}.` : '';
    const needed = schema.safeParse(undefined).success ? '' : ' Required.';
    return { name, unset: defaultOf(name, schema), description: description + allowed + needed };
  });
}

function defaultOf(name: string, schema: z.ZodType): string | undefined {
  const isGiven = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
  const value = isGiven ? schema.def.defaultValue : documentedDefaultOf(schema);
  const text = (value as string | number | readonly string[] | undefined)?.toString();
  const { data: taken } = schema.safeParse(undefined);
  // `604800000` would be in the reference where somebody has to write `7d`.
  if (taken !== undefined && (text === undefined || !isDeepStrictEqual(schema.safeParse(text).data, taken))) {
    throw new Error(`the default of ${name} is not what somebody would write: use .prefault('…')`);
  }
  return text;
}

/** Of a variable that others read too, and which takes the default that its schema only names. */
function documentedDefaultOf(schema: z.ZodType): unknown {
  const given = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
  return z.globalRegistry.get(given)?.['default'];
}

function jsonSchemaOf(schema: z.ZodType): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
}
