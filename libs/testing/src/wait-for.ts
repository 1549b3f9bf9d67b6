const POLL_MS = 20;

/**
 * Waits until `check` returns something truthy and returns it. A check that throws counts as not yet.
 * @param timeoutMs milliseconds before the wait fails with what was last seen
 */
export async function waitFor<T>(
  what: string,
  check: () => T | Promise<T>,
  timeoutMs = 60_000,
): Promise<Exclude<T, undefined | null | false | 0 | ''>> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value) return value as Exclude<T, undefined | null | false | 0 | ''>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`gave up after ${timeoutMs} ms waiting for ${what}; last seen: ${String(last)}`);
    }
    await new Promise((poll) => setTimeout(poll, POLL_MS));
  }
}
