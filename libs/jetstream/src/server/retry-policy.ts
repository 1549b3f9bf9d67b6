const CAP_MS = 300_000;

export interface RetryPolicy {
  readonly maxDeliver: number;
  readonly backoffMs: readonly number[];
}

/**
 * Milliseconds before the attempt after `attempt`. Within the list the delay is the listed one; beyond it the last one
 * doubles up to five minutes and is drawn from [0, delay] ("full jitter"), so that a crowd does not return in step.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  attempt: number,
  random: () => number = Math.random,
): number {
  const listed = policy.backoffMs[attempt - 1];
  if (listed !== undefined) return listed;
  const last = policy.backoffMs.at(-1) ?? 0;
  const exponential = last * 2 ** (attempt - policy.backoffMs.length);
  return Math.round(random() * Math.min(CAP_MS, exponential));
}

/** The policy in words, for consoles and logs. */
export function describeRetryPolicy({ maxDeliver, backoffMs }: RetryPolicy): string {
  const listed = backoffMs.slice(0, maxDeliver - 1).map((delay) => `${delay / 1000} s`);
  const beyond = maxDeliver - 1 > backoffMs.length ? ', then doubling up to 5 min with jitter' : '';
  return maxDeliver === 1
    ? 'one attempt, then the dead-letter stream'
    : `${maxDeliver} attempts, waiting ${listed.join(', ')}${beyond}, then the dead-letter stream`;
}
