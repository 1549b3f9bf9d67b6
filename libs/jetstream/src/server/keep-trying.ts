const DELAYS_MS = [100, 250, 500, 1_000, 2_000, 5_000];

/** Repeats `action`, waiting longer each time up to 5 s, until it succeeds or is no longer wanted. */
export async function keepTrying(
  isWanted: () => boolean,
  action: () => Promise<void>,
  onFailure: (error: unknown) => void,
): Promise<void> {
  for (let round = 0; isWanted(); round++) {
    await new Promise((resolve) => setTimeout(resolve, DELAYS_MS[Math.min(round, DELAYS_MS.length - 1)]));
    if (!isWanted()) return;
    try {
      await action();
      return;
    } catch (error) {
      onFailure(error);
    }
  }
}
