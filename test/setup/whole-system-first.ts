import { join } from 'node:path';
import sequencing from '@jest/test-sequencer';

// The types are those of the CommonJS form, whose default is a property.
const Sequencer = sequencing as unknown as typeof sequencing.default;
type Tests = Parameters<InstanceType<typeof Sequencer>['sort']>[0];

/** Begins with what takes longest, the faults and then the whole system: what began last would have a worker wait for the other. */
export default class WholeSystemFirst extends Sequencer {
  override async sort(tests: Tests): Promise<Tests> {
    // oxlint-disable-next-line unicorn/no-array-sort -- not that of an array
    const sorted = await super.sort(tests);
    const rankOf = ({ path, context }: Tests[number]) =>
      ['test/faults/', 'test/', ''].findIndex((folder) =>
        path.startsWith(join(context.config.rootDir, folder)),
      );
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}
