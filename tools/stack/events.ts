/** What a stack tells about its processes; times in milliseconds. */
export type StackEvent =
  | { readonly kind: 'ready'; readonly name: string; readonly pid: number; readonly afterMs: number }
  | {
      readonly kind: 'failed';
      readonly name: string;
      readonly reason: string;
      readonly restartInMs?: number;
    };

/** What is being done while the stack starts. */
export type StackStep = <T>(
  title: string,
  work: () => Promise<T>,
  detail?: (result: T) => string,
) => Promise<T>;
