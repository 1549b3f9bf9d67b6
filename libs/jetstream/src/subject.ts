const SUBJECT_TOKEN = /^[^\s.*>]+$/;

/** True when `pattern` is a well-formed NATS subject, wildcards `*` and a trailing `>` included. */
export function isValidPattern(pattern: string): boolean {
  const tokens = pattern.split('.');
  return tokens.every(
    (token, index) =>
      token === '*' || (token === '>' && index === tokens.length - 1) || SUBJECT_TOKEN.test(token),
  );
}

export function isLiteral(pattern: string): boolean {
  return !pattern.split('.').some((token) => token === '*' || token === '>');
}

/** True when every subject that `inner` matches is matched by `outer` too. */
export function covers(outer: string, inner: string): boolean {
  const outerTokens = outer.split('.');
  const innerTokens = inner.split('.');
  for (const [index, token] of outerTokens.entries()) {
    if (token === '>') return innerTokens.length > index;
    const other = innerTokens[index];
    if (other === undefined || other === '>') return false;
    if (token !== '*' && token !== other) return false;
  }
  return outerTokens.length === innerTokens.length;
}

/** True when `subject`, which holds no wildcard, is matched by `pattern`. */
export function matches(pattern: string, subject: string): boolean {
  return covers(pattern, subject);
}

/** True when at least one subject is matched by both patterns. */
export function overlaps(left: string, right: string): boolean {
  const a = left.split('.');
  const b = right.split('.');
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const x = a[index];
    const y = b[index];
    if (x === undefined || y === undefined) return false;
    if (x === '>' || y === '>') return true;
    if (x !== '*' && y !== '*' && x !== y) return false;
  }
  return true;
}
