import type { Command } from 'commander';
import type { Column } from '../output.js';
import type { Run } from '../program.js';

interface Migrated {
  readonly service: string;
  readonly migration: string;
}

const COLUMNS: readonly Column<Migrated>[] = [
  ['service', ({ service }) => service],
  ['migration', ({ migration }) => migration],
];

export function addMigrateCommand(program: Command, run: Run): void {
  program
    .command('migrate')
    .description('bring the tables of all services to the version of this release')
    .option('--service <name>', 'of this service only')
    .action(
      run(async ({ output }, { service }: { service?: string }) => {
        const { migrateServices } = await import('../migrations.js');
        const done = await migrateServices(service);
        output.result('migrate', done, () => output.table(done, COLUMNS, 'Nothing was to be done.'));
      }),
    );
}
