import { isLiteral, isValidPattern, overlaps } from '../subject.js';
import { ADVISORY_STREAM, OPERATIONS_STREAM } from './stream-config.js';
import { deadLetterStream, type StreamDefinition, type StreamLimits } from './stream-definition.js';

interface Claim {
  readonly stream: string;
  readonly subject: string;
}

/** Says what the server could never hold of the declared streams, one sentence each: its own answers name no stream. */
export function findStreamProblems(streams: readonly StreamDefinition[]): string[] {
  const names = streams.map(({ name }) => name);
  const problems = streams.flatMap(findDefinitionProblems);
  for (const name of new Set(names.filter((declared, index) => names.indexOf(declared) < index))) {
    problems.push(`stream ${name} is declared twice; declare it once, with all of its subjects`);
  }
  const claims = [...[ADVISORY_STREAM, OPERATIONS_STREAM].flatMap(ownClaims), ...streams.flatMap(claimsOf)];
  claims.forEach(({ stream, subject }, index) => {
    for (const other of claims.slice(0, index).filter((earlier) => overlaps(earlier.subject, subject))) {
      problems.push(
        `"${subject}" of stream ${stream} overlaps with "${other.subject}" of ${other.stream}; a message lies in one stream`,
      );
    }
  });
  return problems;
}

function findDefinitionProblems({ name, subjects, deadLetterSubject, limits }: StreamDefinition): string[] {
  const problems: string[] = [];
  if (!/^[\w-]{1,128}$/.test(name)) {
    problems.push(`stream "${name}" must be named with 1 to 128 letters, digits, "-" or "_"`);
  }
  if (subjects.length === 0) problems.push(`stream ${name} must hold at least one subject`);
  for (const subject of subjects.filter((pattern) => !isValidPattern(pattern))) {
    problems.push(`"${subject}" of stream ${name} is no NATS subject pattern`);
  }
  if (!(isValidPattern(deadLetterSubject) && isLiteral(deadLetterSubject))) {
    problems.push(
      `deadLetterSubject "${deadLetterSubject}" of stream ${name} must be a subject without wildcards`,
    );
  }
  return [...problems, ...findLimitProblems(`stream ${name}`, limits)];
}

/** @param whose what the limits are set for, in words */
export function findLimitProblems(whose: string, limits: StreamLimits = {}): string[] {
  return Object.entries(limits)
    .filter(([, value]) => value !== undefined && !(value > 0))
    .map(([limit, value]) => `limits.${limit} of ${whose} must be above 0 and is ${value}`);
}

function ownClaims({ name, subjects }: StreamDefinition): Claim[] {
  return subjects.map((subject) => ({ stream: name, subject }));
}

function claimsOf(stream: StreamDefinition): Claim[] {
  const letters = { stream: deadLetterStream(stream.name), subject: stream.deadLetterSubject };
  return [...ownClaims(stream), letters].filter(({ subject }) => isValidPattern(subject));
}
