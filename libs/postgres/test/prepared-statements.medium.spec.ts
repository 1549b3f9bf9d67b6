import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { dataSourceOptions } from '@slipstream/postgres';
import { createTestDatabase, type TestDatabase } from '@slipstream/testing';
import { DataSource } from 'typeorm';

describe('a statement with parameters', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  const known = (like: string) =>
    dataSource.query<{ calls: number }[]>(
      `SELECT (generic_plans + custom_plans)::int AS calls FROM pg_prepared_statements
       WHERE statement LIKE '%${like}%' AND statement NOT LIKE '%pg_prepared%'`,
    );

  beforeEach(async () => {
    database = await createTestDatabase();
    const options = { url: database.url, schema: 'public', migrations: [], poolSize: 1 };
    dataSource = await new DataSource(dataSourceOptions(options)).initialize();
    await dataSource.query('CREATE TABLE things (id int PRIMARY KEY, amount int)');
  });

  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('is parsed once for all of its executions, in and outside of transactions', async () => {
    const insert = 'INSERT INTO things (id, amount) VALUES ($1, $2)';
    await dataSource.query(insert, [1, 10]);
    await dataSource.transaction((tx) => tx.query(insert, [2, 20]));
    expect(await known('INSERT INTO things')).toEqual([{ calls: 2 }]);
    expect(await dataSource.query('SELECT sum(amount)::int AS sum FROM things')).toEqual([{ sum: 30 }]);
  });

  it('is told from another one, and counts for nothing when it could not be parsed', async () => {
    const broken = 'SELECT nothing FROM things WHERE id = $1';
    await expect(dataSource.query(broken, [1])).rejects.toThrow('column "nothing" does not exist');
    await dataSource.query('ALTER TABLE things ADD COLUMN nothing text');
    expect(await dataSource.query(broken, [1])).toEqual([]);
    expect(await dataSource.query('SELECT $1::int AS a', [1])).toEqual([{ a: 1 }]);
    expect(await dataSource.query('SELECT $1::int AS b', [2])).toEqual([{ b: 2 }]);
  });

  it('works again on another connection when a migration changed what it returns', async () => {
    const select = 'SELECT amount FROM things WHERE id = $1';
    await dataSource.query('INSERT INTO things VALUES (1, 10)');
    await dataSource.query(select, [1]);
    await dataSource.query('ALTER TABLE things ALTER COLUMN amount TYPE text');
    await expect(dataSource.query(select, [1])).rejects.toThrow('cached plan');
    expect(await dataSource.query(select, [1])).toEqual([{ amount: '10' }]);
  });

  it.each([
    ['a look-up', 'SELECT amount FROM things WHERE id = ANY ($1::int[]) ORDER BY id FOR UPDATE'],
    ['an update', 'UPDATE things SET amount = 1 FROM unnest($1::int[]) AS u (id) WHERE things.id = u.id'],
  ])('does not read the whole of a table that was empty when %s was planned', async (_, text) => {
    await dataSource.query('VACUUM things');
    const ids = Array.from({ length: 300 }, (__, index) => index);
    await dataSource.query(text, [ids]);
    await dataSource.query('INSERT INTO things SELECT n, n FROM generate_series(1, 20000) AS n');
    const [statement] = await dataSource.query(
      `SELECT name, generic_plans::int AS "genericPlans" FROM pg_prepared_statements WHERE statement = '${text}'`,
    );
    expect(statement.genericPlans).toBe(1);
    const plan = await dataSource.query(`EXPLAIN (COSTS OFF) EXECUTE "${statement.name}" ('{1,2,3}')`);
    expect(JSON.stringify(plan)).toContain('Index Scan');
    expect(JSON.stringify(plan)).not.toContain('Seq Scan');
  });

  it('that takes the first rows of an index does not find and sort all of a table that has grown', async () => {
    await dataSource.query(`ALTER TABLE things ADD COLUMN state text NOT NULL DEFAULT 'waiting'`);
    await dataSource.query(`CREATE INDEX waiting ON things (amount) WHERE state = 'waiting'`);
    await dataSource.query('INSERT INTO things SELECT n, n FROM generate_series(1, 20000) AS n');
    const first = `SELECT id FROM things WHERE state = 'waiting' ORDER BY amount LIMIT 10000`;
    const plan = JSON.stringify(await dataSource.query(`EXPLAIN (COSTS OFF) ${first}`));
    expect(plan).toContain('Index Scan using waiting');
    expect(plan).not.toContain('Sort');
  });

  it('has no statement compiled, however costly it seems', async () => {
    expect(await dataSource.query('SHOW jit')).toEqual([{ jit: 'off' }]);
  });
});
