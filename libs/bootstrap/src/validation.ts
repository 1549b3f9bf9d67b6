import { ValidationPipe, type ArgumentMetadata, type ValidationError } from '@nestjs/common';
import { ProblemException, type FieldError } from './problem.js';

/**
 * A DTO class that can tell cheaply that a value is valid as it is. It must never take what its decorators refuse; what
 * it does not recognize goes through them, which decide and explain.
 */
export interface RecognizingDto {
  recognizes(value: unknown): boolean;
}

/** Deepest nesting that is looked at: who transforms and validates calls itself for each level, until the stack is full. */
const MAX_DEPTH = 32;

class RecognizingPipe extends ValidationPipe {
  override transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const { recognizes } = (metadata.metatype ?? {}) as Partial<RecognizingDto>;
    if (recognizes?.(value)) return Promise.resolve(value);
    if (isDeeperThan(MAX_DEPTH, value)) {
      throw new ProblemException(400, { detail: `The request is nested deeper than ${MAX_DEPTH} levels.` });
    }
    return super.transform(value, metadata);
  }
}

/** Pipe that turns bodies, queries and parameters into DTOs, refuses unknown fields and reports every violation. */
export function createValidationPipe(): ValidationPipe {
  return new RecognizingPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    // A body whose DTO has no decorators would pass unchecked otherwise.
    forbidUnknownValues: true,
    transform: true,
    stopAtFirstError: false,
    validationError: { target: false, value: false },
    exceptionFactory: (violations) =>
      new ProblemException(400, {
        detail: 'The request does not fit what this operation takes.',
        errors: flattenViolations(violations),
      }),
  });
}

/** Violations as one flat list, with array indexes in brackets: `lines[0].quantity`. */
export function flattenViolations(violations: readonly ValidationError[], parent = ''): FieldError[] {
  return violations.flatMap((violation) => {
    const field = joinField(parent, violation.property);
    const own = Object.values(violation.constraints ?? {}).map((reason) => ({ field, reason }));
    return [...own, ...flattenViolations(violation.children ?? [], field)];
  });
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(levels - 1, inner));
}

function joinField(parent: string, property: string): string {
  if (/^\d+$/.test(property)) {
    return `${parent}[${property}]`;
  }
  return parent === '' ? property : `${parent}.${property}`;
}
