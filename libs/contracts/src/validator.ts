import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { BODY, ContractError } from './contract.error.js';
import { toPath } from './path.js';

/** @throws ContractError naming the first field that breaks the schema */
export type Validate = (value: unknown) => void;

const ajv = new Ajv2020({ strict: true });

/** The schema is compiled when the first value comes: a service meets a few of the events only. */
export function createValidator(schema: object): Validate {
  let validate: ValidateFunction | undefined;
  return (value) => {
    validate ??= ajv.compile(schema);
    if (!validate(value)) throw explain(validate.errors?.[0]);
  };
}

function explain(error: ErrorObject | undefined): ContractError {
  const steps = (error?.instancePath ?? '').split('/').slice(1).map(toStep);
  const missing = error?.keyword === 'required' ? String(error.params['missingProperty']) : undefined;
  const path = toPath(missing === undefined ? steps : [...steps, missing]) || BODY;
  const reason = missing === undefined ? (error?.message ?? 'is invalid') : 'is missing';
  return new ContractError('CONTRACT_INVALID', `${path}: ${reason}`, path);
}

/** A token of a JSON Pointer (RFC 6901). */
function toStep(token: string): string | number {
  return /^\d+$/.test(token) ? Number(token) : token.replaceAll('~1', '/').replaceAll('~0', '~');
}
