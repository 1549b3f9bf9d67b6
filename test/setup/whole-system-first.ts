import sequencing from '@jest/test-sequencer';

// The types are those of the CommonJS form, whose default is a property.
const Sequencer = sequencing as unknown as typeof sequencing.default;
type Tests = Parameters<InstanceType<typeof Sequencer>['sort']>[0];

/** Begins with the tests of the whole system, which take longest: one that began last would have a worker wait for the other. */
export default class WholeSystemFirst extends Sequencer {
  override async sort(tests: Tests): Promise<Tests> {
    // oxlint-disable-next-line unicorn/no-array-sort -- not that of an array
    const sorted = await super.sort(tests);
    const isWhole = ({ path, context }: Tests[number]) => path.startsWith(`${context.config.rootDir}/test/`);
    return [...sorted.filter(isWhole), ...sorted.filter((test) => !isWhole(test))];
  }
}
