import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** A process environment: names to values, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment does not fit the schema. `message` names every variable and why, never a value. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
  readonly code = 'ENVIRONMENT_INVALID';

  constructor(readonly violations: readonly string[]) {
    super(`The environment is not valid:\n${violations.map((violation) => `  ${violation}`).join('\n')}`);
  }
}

/**
 * Reads a typed configuration from environment variables. An empty or blank variable counts as unset, because
 * container tools pass `NAME=` for a variable that nobody set. A variable that is unset is read from the file that
 * `<NAME>_FILE` names, as secrets are mounted; line breaks at its end are dropped.
 *
 * @throws EnvironmentError when a variable is missing or not valid.
 */
export function readEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  env: Environment,
): z.output<Schema> {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  );
  const present = { ...readFiles(schema, given), ...given };
  const parsed = schema.safeParse(present);
  if (parsed.success) {
    return parsed.data;
  }
  throw new EnvironmentError(parsed.error.issues.map((issue) => describeIssue(issue, present)));
}

/**
 * Reads a typed configuration at the start of a process. When a variable is missing or not valid, prints one
 * message that names each of them to standard error, and exits with code 1.
 */
export function parseEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  env: Environment = process.env,
): z.output<Schema> {
  try {
    return readEnvironment(schema, env);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) {
      throw error;
    }
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

function readFiles(schema: z.ZodType, given: Environment): Record<string, string> {
  const variables = new Set(variablesOf(schema));
  // Where the schema names the file itself, whoever asked for it reads it, and may read it again.
  const names = [...variables].filter((name) => given[name] === undefined && !variables.has(`${name}_FILE`));
  return Object.fromEntries(
    names.flatMap((name) => {
      const file = given[`${name}_FILE`];
      return file === undefined ? [] : [[name, readSecret(`${name}_FILE`, file)]];
    }),
  );
}

function readSecret(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/[\r\n]+$/, '');
  } catch (error) {
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    throw new EnvironmentError([`${variable}: ${file} cannot be read (${code})`]);
  }
}

function variablesOf(schema: z.ZodType): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function describeIssue(issue: z.core.$ZodIssue, present: Environment): string {
  if (issue.code === 'unrecognized_keys') {
    return `${issue.keys.join(', ')}: not known`;
  }
  const name = issue.path.join('.');
  if (name === '') {
    return issue.message;
  }
  const variable = String(issue.path[0]);
  // What a schema says in words of its own also says why it is needed.
  const isPlain = issue.code !== 'custom';
  return `${name}: ${present[variable] === undefined && isPlain ? 'is missing' : issue.message}`;
}
