const sideways = [
  'idempotency',
  'outbox',
  'observability',
  'health',
  'postgres',
  'contracts',
  'jetstream',
  'operations',
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle makes two files one; merge them or name what they share.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-app-imports-app',
      comment: 'Bounded contexts talk through events and HTTP only.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/', pathNot: '^apps/(cli|console)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'operators-see-declarations-only',
      comment:
        'The command line and the console describe what services handle; how they do it is none of their business.',
      severity: 'error',
      from: { path: '^apps/(cli|console)/|^apps/system\\.ts$' },
      to: {
        path: '^apps/',
        pathNot: '^apps/$1/|^apps/[^/]+/src/declaration\\.ts$|^apps/(system|service-urls)\\.ts$',
      },
    },
    {
      name: 'no-lib-imports-app',
      comment: 'A library does not know who uses it.',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^(apps|tools|bench)/' },
    },
    {
      name: 'testing-is-for-tests',
      comment: 'Test harnesses must not reach production code.',
      severity: 'error',
      from: { pathNot: '\\.spec\\.ts$|(^|/)test/|^libs/testing/|^bench/' },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'contracts-are-pure',
      comment: 'Contracts are shared with code that has neither Nest nor NATS nor a database.',
      severity: 'error',
      from: { path: '^libs/contracts/src/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^(libs/(?!contracts/)|node_modules/(@nestjs|@nats-io|typeorm|pg)(/|$))' },
    },
    {
      name: 'no-sideways-imports',
      comment:
        'These libraries may know the types of jetstream, failpoints, redaction, tracing and nothing else of each other.',
      severity: 'error',
      from: { path: `^libs/(${sideways.join('|')})/src/`, pathNot: '\\.spec\\.ts$' },
      to: { path: '^libs/', pathNot: '^libs/($1|jetstream|failpoints|redaction|tracing)/' },
    },
    {
      name: 'only-types-of-jetstream',
      comment: 'Storage and telemetry must work with any publisher and consumer.',
      severity: 'error',
      from: { path: '^libs/(idempotency|outbox|observability|health)/src/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^libs/jetstream/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'telemetry-sdk-in-one-place',
      comment:
        'Everything else knows the API of OpenTelemetry, which does nothing until a process sets up the SDK.',
      severity: 'error',
      from: { pathNot: '^libs/observability/src/tracing/|\\.spec\\.ts$|(^|/)test/|^bench/' },
      to: { path: '^node_modules/@opentelemetry/(?!api/)' },
    },
    {
      name: 'shared-by-all-is-plain',
      comment: 'These are shared by libraries that have neither Nest nor NATS.',
      severity: 'error',
      from: { path: '^libs/(redaction|tracing)/src/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^libs/(?!(redaction|tracing)/)|^node_modules/(?!@opentelemetry/api/)' },
    },
    {
      name: 'only-public-doors',
      comment: 'Other packages see what index.ts exports.',
      severity: 'error',
      from: { path: '^((?:apps|libs)/[^/]+|test|tools)/' },
      to: { path: '^libs/[^/]+/src/(?!index\\.ts$)', pathNot: '^$1/' },
    },
    {
      name: 'declared-dependencies',
      comment: 'Add it to package.json.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Not the dist/ of a package: rules about packages would not see it.
    exclude: { path: '^(dist|apps/[^/]+/dist|libs/[^/]+/dist)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
  },
};
