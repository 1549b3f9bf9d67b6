import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { dataSourceOptions } from '@slipstream/postgres';
import { createTestDatabase, type TestDatabase } from '@slipstream/testing';
import type { EventEmitter } from 'node:events';
import { DataSource } from 'typeorm';

const INSERT = 'INSERT INTO things (id) VALUES ($1)';

describe('a transaction', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let answers = 0;

  beforeEach(async () => {
    database = await createTestDatabase();
    const options = { url: database.url, schema: 'public', migrations: [], poolSize: 1 };
    dataSource = await new DataSource(dataSourceOptions(options)).initialize();
    await dataSource.query('CREATE TABLE things (id int PRIMARY KEY)');
    // The first one of a connection makes the server know how to begin.
    await insert(1);
    const runner = dataSource.createQueryRunner();
    const { connection } = (await runner.connect()) as { connection: EventEmitter };
    connection.on('readyForQuery', () => answers++);
    await runner.release();
    answers = 0;
  });

  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const insert = (...ids: readonly number[]) =>
    dataSource.transaction(async (tx) => {
      for (const id of ids) await tx.query(INSERT, [id]);
    });
  const stored = async () => {
    const rows: { id: number }[] = await dataSource.query('SELECT id FROM things ORDER BY id');
    return rows.map(({ id }) => id);
  };

  it('begins in one exchange with its first query', async () => {
    await insert(2, 3);
    expect(answers).toBe(3);
    expect(await stored()).toEqual([1, 2, 3]);
  });

  it('costs no exchange when nothing is asked in it, however it ends', async () => {
    await insert();
    await expect(dataSource.transaction(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(answers).toBe(0);
  });

  it('writes nothing when its first query fails, or a later one, and the next one does', async () => {
    await expect(insert(1)).rejects.toThrow('duplicate key');
    await expect(insert(2, 1)).rejects.toThrow('duplicate key');
    const broken = dataSource.transaction((tx) => tx.query('SELECT nothing FROM things WHERE id = $1', [1]));
    await expect(broken).rejects.toThrow('column "nothing" does not exist');
    await insert(3);
    expect(await stored()).toEqual([1, 3]);
  });

  it('does not run its first query when it cannot begin', async () => {
    await dataSource.query('DEALLOCATE begin');
    await expect(insert(2)).rejects.toThrow('prepared statement "begin" does not exist');
    expect(await stored()).toEqual([1]);
  });

  it('begins before a query without parameters, and takes the isolation asked for', async () => {
    const level = await dataSource.transaction('SERIALIZABLE', async (tx) => {
      await tx.query(INSERT, [2]);
      return tx.query('SHOW transaction_isolation');
    });
    expect(level).toEqual([{ transaction_isolation: 'serializable' }]);
    await dataSource
      .transaction(async (tx) => {
        await tx.query('DELETE FROM things');
        throw new Error('no');
      })
      .catch(() => undefined);
    expect(await stored()).toEqual([1, 2]);
  });

  it('rolls back to a savepoint, and keeps what came before', async () => {
    await dataSource.transaction(async (tx) => {
      await tx.query(INSERT, [2]);
      await tx
        .transaction(async (inner) => {
          await inner.query(INSERT, [3]);
          throw new Error('no');
        })
        .catch(() => undefined);
    });
    expect(await stored()).toEqual([1, 2]);
  });

  it('tells the number of rows and the rows of its first query', async () => {
    const [rows, count] = await dataSource.transaction((tx) =>
      tx.query('UPDATE things SET id = id + $1 RETURNING id', [10]),
    );
    expect([rows, count]).toEqual([[{ id: 11 }], 1]);
  });
});
