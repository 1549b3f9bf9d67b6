import { describe, expect, it } from '@jest/globals';
import { QueryFailedError } from 'typeorm';
import { GroupCommit, GroupCommitFullError, GroupItemError } from './group-commit.js';

const databaseError = (code: string) =>
  new QueryFailedError('INSERT', [], Object.assign(new Error(`state ${code}`), { code }));

/** Commits that end when the test says so. */
class Commits {
  readonly groups: (readonly number[])[] = [];
  private readonly ends: PromiseWithResolvers<void>[] = [];

  readonly commit = async (items: readonly number[]): Promise<string[]> => {
    this.groups.push(items);
    const end = Promise.withResolvers<void>();
    this.ends.push(end);
    await end.promise;
    return items.map(String);
  };

  async end(index: number): Promise<void> {
    this.ends[index]?.resolve();
    await nextTurn();
  }
}

async function nextTurn(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function groupsOf(commit: (items: readonly number[]) => Promise<readonly (string | Error)[]>, options = {}) {
  return new GroupCommit<number, string>({
    commit,
    keyOf: String,
    maxGroup: 100,
    maxWaiting: 100,
    concurrency: 1,
    ...options,
  });
}

describe('a group commit', () => {
  it('takes at once what comes alone, and in one group what comes while it is under way', async () => {
    const commits = new Commits();
    const groups = groupsOf(commits.commit);
    const answers = [groups.submit(1)];
    await nextTurn();
    answers.push(groups.submit(2), groups.submit(3));
    await nextTurn();
    expect(commits.groups).toEqual([[1]]);
    await commits.end(0);
    expect(commits.groups).toEqual([[1], [2, 3]]);
    await commits.end(1);
    expect(await Promise.all(answers)).toEqual(['1', '2', '3']);
  });

  it('runs as many transactions at a time as it may, none larger than it may be', async () => {
    const commits = new Commits();
    const groups = groupsOf(commits.commit, { maxGroup: 2, concurrency: 2 });
    const answers = [1, 2, 3, 4, 5].map((item) => groups.submit(item));
    await nextTurn();
    expect(commits.groups).toEqual([
      [1, 2],
      [3, 4],
    ]);
    await commits.end(0);
    await commits.end(1);
    await commits.end(2);
    expect(await Promise.all(answers)).toHaveLength(5);
  });

  it('refuses at once what would make too many wait', async () => {
    const commits = new Commits();
    const groups = groupsOf(commits.commit, { maxWaiting: 2 });
    const accepted = [groups.submit(1), groups.submit(2)];
    await expect(groups.submit(3)).rejects.toThrow(GroupCommitFullError);
    await nextTurn();
    await commits.end(0);
    expect(await Promise.all(accepted)).toEqual(['1', '2']);
  });

  it('answers one item with an error of its own and its neighbours with their results', async () => {
    const refusal = new Error('used before');
    const groups = groupsOf((items) =>
      Promise.resolve(items.map((item) => (item === 2 ? refusal : String(item)))),
    );
    const answers = await Promise.allSettled([1, 2, 3].map((item) => groups.submit(item)));
    expect(answers).toEqual([
      { status: 'fulfilled', value: '1' },
      { status: 'rejected', reason: refusal },
      { status: 'fulfilled', value: '3' },
    ]);
  });

  it('fails alone the item whose data fails the transaction', async () => {
    const failure = databaseError('22021');
    const groups = groupsOf((items) =>
      items.includes(7) ? Promise.reject(failure) : Promise.resolve(items.map(String)),
    );
    const items = Array.from({ length: 10 }, (_, index) => index);
    const answers = await Promise.allSettled(items.map((item) => groups.submit(item)));
    expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(answers[7]).toEqual({ status: 'rejected', reason: failure });
  });

  it('commits once more without each item that is named as the cause, however many there are', async () => {
    const sizes: number[] = [];
    const groups = groupsOf((items) => {
      sizes.push(items.length);
      const index = items.findIndex((item) => item % 5 === 0);
      if (index < 0) return Promise.resolve(items.map(String));
      return Promise.reject(new GroupItemError(index, `item ${items[index]}`));
    });
    const submit = (items: readonly number[]) => Promise.allSettled(items.map((item) => groups.submit(item)));
    const answers = await submit([0, 1, 2, 5]);
    expect(answers).toEqual([
      { status: 'rejected', reason: 'item 0' },
      { status: 'fulfilled', value: '1' },
      { status: 'fulfilled', value: '2' },
      { status: 'rejected', reason: 'item 5' },
    ]);
    expect(await submit([10])).toEqual([{ status: 'rejected', reason: 'item 10' }]);
    expect(sizes).toEqual([4, 3, 2, 1]);
  });

  it('fails the whole group, once, when the database is away, and goes on with the next', async () => {
    let attempts = 0;
    const groups = groupsOf((items) =>
      ++attempts === 1 ? Promise.reject(databaseError('57P01')) : Promise.resolve(items.map(String)),
    );
    const answers = await Promise.allSettled([1, 2, 3].map((item) => groups.submit(item)));
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(attempts).toBe(1);
    expect(await groups.submit(4)).toBe('4');
  });
});
