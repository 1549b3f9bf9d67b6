const swc = {
  jsc: {
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
    target: 'es2024',
  },
  module: { type: 'es6' },
  sourceMaps: 'inline',
};

export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test', '<rootDir>/tools'],
  testMatch: ['**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  // CJS Nest plugins require() Nest while it is still loading as ESM, unless it was loaded before.
  setupFiles: ['<rootDir>/test/setup/import-nest.ts', '<rootDir>/test/setup/silence-nest.ts'],
  globalSetup: '<rootDir>/test/setup/global-setup.ts',
  globalTeardown: '<rootDir>/test/setup/global-teardown.ts',
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^@slipstream/([^/]+)$': '<rootDir>/libs/$1/src/index.ts',
  },
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
  coverageProvider: 'v8',
  // Tests wait about as long as they work.
  maxWorkers: 2,
  testSequencer: '<rootDir>/test/setup/whole-system-first.ts',
  // For a machine that others keep busy too: who waits for a condition ends when it is met.
  testTimeout: 120_000,
};
