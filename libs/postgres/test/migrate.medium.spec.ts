import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dataSourceOptions, migrate, PendingMigrationsError } from '@slipstream/postgres';
import { createTestDatabase, type TestDatabase } from '@slipstream/testing';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { requireMigrated } from '../src/migrate.js';

class CreateBoxes1700000000001 implements MigrationInterface {
  readonly name = 'CreateBoxes1700000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE boxes (id int)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE boxes');
  }
}

class CreateLids1700000000002 extends CreateBoxes1700000000001 {
  override readonly name = 'CreateLids1700000000002' as 'CreateBoxes1700000000001';

  override async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE lids (id int)');
  }
}

describe('migrations', () => {
  let database: TestDatabase;
  const options = (schema: string, migrations: readonly (new () => MigrationInterface)[]) =>
    dataSourceOptions({ url: database.url, schema, migrations });

  beforeAll(async () => {
    database = await createTestDatabase();
  });

  afterAll(() => database.drop());

  it('are run once, and named when they were', async () => {
    const boxes = options('run_once', [CreateBoxes1700000000001]);
    const [first, second] = await Promise.all([migrate(boxes, 'run_once'), migrate(boxes, 'run_once')]);
    expect([...first, ...second]).toEqual(['CreateBoxes1700000000001']);
  });

  it('that are missing keep a process from starting that may not run them', async () => {
    const boxes = options('checked', [CreateBoxes1700000000001]);
    await expect(requireMigrated(boxes, 'checked')).rejects.toThrow(PendingMigrationsError);
    await migrate(boxes, 'checked');
    await requireMigrated(boxes, 'checked');
    const both = options('checked', [CreateBoxes1700000000001, CreateLids1700000000002]);
    await expect(requireMigrated(both, 'checked')).rejects.toThrow('slipstream migrate');
  });

  it('are not begun by looking for them', async () => {
    const boxes = options('looked_at', [CreateBoxes1700000000001]);
    await expect(requireMigrated(boxes, 'looked_at')).rejects.toThrow(PendingMigrationsError);
    expect(await migrate(boxes, 'looked_at')).toEqual(['CreateBoxes1700000000001']);
  });
});
