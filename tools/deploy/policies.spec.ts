import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { SERVICE_URL_VARIABLES } from '../../apps/service-urls.js';
import { findComposeProblems, type ComposeModel } from './compose.ts';
import { findEnvironmentProblems } from './environment-policies.ts';
import { findEgressProblems } from './egress-policies.ts';
import { findFileProblems } from './file-policies.ts';
import type { KubeObject } from './kube-object.ts';
import { findUnscrapedJobs } from './prometheus-rules.ts';
import { findReferenceProblems } from './reference-policies.ts';
import { findSchemaProblems } from './schemas.ts';
import { findWorkloadProblems } from './workload-policies.ts';

const read = (yaml: string): KubeObject => parse(yaml) as KubeObject;

const deployment = (change: (text: string) => string = (text) => text) =>
  read(
    change(`
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec:
      automountServiceAccountToken: false
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: RuntimeDefault } }
      containers:
        - name: app
          image: slipstream/shop:1.2.3
          ports: [{ name: http, containerPort: 3000 }]
          env: [{ name: TOKEN, valueFrom: { secretKeyRef: { name: shop, key: token } } }]
          startupProbe: { httpGet: { path: /health/startup, port: http } }
          readinessProbe: { httpGet: { path: /health/ready, port: http } }
          livenessProbe: { httpGet: { path: /health/live, port: http } }
          resources: { requests: { cpu: 100m, memory: 1Mi }, limits: { memory: 1Mi } }
          securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }
`),
  );
const secret = read('{ apiVersion: v1, kind: Secret, metadata: { name: shop }, stringData: { token: x } }');
const service = (selector: string, targetPort: string) =>
  read(
    `{ apiVersion: v1, kind: Service, metadata: { name: shop }, spec: { selector: { app: ${selector} }, ports: [{ port: 80, targetPort: ${targetPort} }] } }`,
  );

describe('the checks of manifests', () => {
  it('find nothing in what is right', async () => {
    const objects = [deployment(), secret, service('shop', 'http')];
    expect(findWorkloadProblems(objects)).toEqual([]);
    expect(findReferenceProblems(objects)).toEqual([]);
    for (const object of objects) expect(await findSchemaProblems(object)).toEqual([]);
  });

  it.each([
    ['a misspelt field', 'readinessProbe:', 'redinessProbe:', /redinessProbe is no field/],
    ['a misspelt field deep inside', 'path: /health/live', 'pth: /health/live', /pth is no field/],
    ['a value of the wrong type', 'containerPort: 3000', 'containerPort: "3000"', /must be integer/],
  ])('find %s by the schema', async (_, before, after, problem) => {
    const problems = await findSchemaProblems(deployment((text) => text.replace(before, after)));
    expect(problems.join('\n')).toMatch(problem);
  });

  it.each([
    ['an image without a version', 'shop:1.2.3', 'shop:latest', /not pinned/],
    ['a user who may be root', 'runAsUser: 1000', 'runAsUser: 0', /runAsUser/],
    [
      'a root file system that can be written to',
      'readOnlyRootFilesystem: true',
      'readOnlyRootFilesystem: false',
      /readOnlyRoot/,
    ],
    ['capabilities', 'drop: [ALL]', 'drop: [NET_RAW]', /not all dropped/],
    [
      'a token nobody needs',
      'automountServiceAccountToken: false',
      'automountServiceAccountToken: true',
      /token/,
    ],
    ['a probe of the wrong path', '/health/ready', '/health/live', /readinessProbe asks \/health\/live/],
    [
      'a probe of a port that is not there',
      '{ path: /health/live, port: http }',
      '{ path: /health/live, port: web }',
      /port/,
    ],
    ['a missing probe', /livenessProbe.*\n/, '\n', /no livenessProbe/],
    ['memory without a limit', 'limits: { memory: 1Mi }', 'limits: {}', /no limit of memory/],
    [
      'a heap that may grow beyond the memory there is',
      'env: [{ name: TOKEN',
      'env: [{ name: NODE_OPTIONS, value: --max-old-space-size=384 }, { name: TOKEN',
      /heap may grow to 384 MiB/,
    ],
  ])('find %s', (_, before, after, problem) => {
    const problems = findWorkloadProblems([deployment((text) => text.replace(before, after))]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  it.each([
    ['a service that selects no pod', [deployment(), secret, service('shoop', 'http')], /selects no pod/],
    ['a service to a port that is closed', [deployment(), secret, service('shop', 'web')], /port web/],
    ['a secret that is not there', [deployment()], /token of Secret shop/],
    [
      'a key that the secret does not have',
      [deployment((text) => text.replace('key: token', 'key: tokn')), secret],
      /tokn of Secret shop/,
    ],
    [
      'a workload that does not select its own pods',
      [
        deployment((text) => text.replace('{ app: shop } }\n  template', '{ app: other } }\n  template')),
        secret,
      ],
      /own pods/,
    ],
    [
      'an autoscaler of nothing',
      [
        read(
          '{ apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: { name: a }, spec: { scaleTargetRef: { kind: Deployment, name: gone }, maxReplicas: 2 } }',
        ),
      ],
      /Deployment gone, which is not there/,
    ],
  ])('find %s', (_, objects, problem) => {
    const problems = findReferenceProblems(objects);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  describe('of what processes prove themselves with', () => {
    const workload = (change: (text: string) => string) =>
      read(
        change(`
apiVersion: batch/v1
kind: CronJob
metadata: { name: daily }
spec:
  jobTemplate:
    spec:
      template:
        metadata: { labels: { app: daily } }
        spec:
          containers:
            - name: app
              image: slipstream/cli:1.2.3
              envFrom: [{ configMapRef: { name: settings } }]
              env: [{ name: NATS_NKEY_SEED_FILE, value: /run/nats/user.nk }]
              volumeMounts: [{ name: nats, mountPath: /run/nats }]
          volumes: [{ name: nats, secret: { secretName: nats-provisioner } }]
`),
      );
    const objects = (change: (text: string) => string = (text) => text, port = 4222) => [
      workload(change),
      read(
        '{ apiVersion: v1, kind: ConfigMap, metadata: { name: settings }, data: { NATS_TLS_CA: /run/nats/ca.crt, NATS_URL: "nats://nats.other.svc:4222" } }',
      ),
      ...['nats-provisioner', 'nats-order-service'].map((name) =>
        read(
          `{ apiVersion: v1, kind: Secret, metadata: { name: ${name} }, data: { ca.crt: x, user.nk: x } }`,
        ),
      ),
      read(
        `{ apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: { name: out }, spec: { podSelector: { matchLabels: { app: daily } }, egress: [{ to: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: other } } }], ports: [{ port: ${port} }] }] } }`,
      ),
    ];

    it('find nothing in what is right', () => {
      expect([...findFileProblems(objects()), ...findEgressProblems(objects())]).toEqual([]);
    });

    it.each([
      ['a file that its Secret does not hold', '/run/nats/user.nk', '/run/nats/seed', /nothing puts there/],
      [
        'a directory that is not mounted',
        'mountPath: /run/nats',
        'mountPath: /run/other',
        /NATS_TLS_CA names/,
      ],
      ['the credentials of somebody else', 'nats-provisioner', 'nats-order-service', /nats-order-service/],
    ])('find %s', (_, before, after, problem) => {
      expect(findFileProblems(objects((text) => text.replace(before, after))).join()).toMatch(problem);
    });

    it('find a server that no policy lets the pod reach', () => {
      const [problem] = findEgressProblems(objects(undefined, 4223));
      expect(problem).toMatch(/NATS_URL names nats.other.svc:4222, which no policy/);
    });
  });

  it.each([
    ['jobLabel: app', []],
    ['jobLabel: other', ['PrometheusRule alerts: asks for the job shop, which nothing scrapes']],
    ['namespaceSelector: {}', ['PrometheusRule alerts: asks for the job shop, which nothing scrapes']],
  ])('of rules find with %s whether pods are scraped as the job they ask for', (change, problems) => {
    const objects = [
      deployment(),
      read(
        `{ kind: PodMonitor, metadata: { name: m, namespace: n }, spec: { ${change}, selector: { matchLabels: { app: shop } } } }`,
      ),
      read(
        `{ kind: PrometheusRule, metadata: { name: alerts }, spec: { groups: [{ rules: [{ expr: 'up{job="shop"} == 0' }] }] } }`,
      ),
    ];
    expect(findUnscrapedJobs(objects)).toEqual(problems);
  });

  it.each([
    ['a service whose URL the console is not told', 'console', /^Pod operator: lacks AUDIT_SERVICE_URL/],
    ['a service whose URL the command line is not told', 'cli', /^Pod operator: lacks AUDIT_SERVICE_URL/],
    ['a URL that an app does not ask for', 'payment-gateway', /which payment-gateway does not read/],
  ])('find %s', (_, app, problem) => {
    const env = SERVICE_URL_VARIABLES.slice(0, -1).map((name) => `{ name: ${name}, value: x }`);
    const pod = read(
      `{ kind: Pod, metadata: { name: operator }, spec: { containers: [{ image: slipstream/${app}, env: [${env.join()}] }] } }`,
    );
    expect(findEnvironmentProblems([pod])[0]).toMatch(problem);
  });

  describe('of containers', () => {
    const model = (change: object = {}): ComposeModel => ({
      services: {
        shop: {
          image: 'slipstream/order-service:1.2.3',
          profiles: ['secure'],
          read_only: true,
          cap_drop: ['ALL'],
          environment: { NATS_NKEY_SEED_FILE: '/run/nats/user.nk' },
          volumes: [{ type: 'bind', source: `${process.cwd()}/secrets/order-service`, target: '/run/nats' }],
          ports: [{ host_ip: '127.0.0.1', target: 3001 }],
          ...change,
        },
      },
    });
    const volume = (source: string) => ({
      volumes: [{ type: 'bind', source: `${process.cwd()}/${source}`, target: '/run/nats' }],
    });

    const urls = (count: number) =>
      Object.fromEntries(SERVICE_URL_VARIABLES.slice(0, count).map((variable) => [variable, 'http://x']));

    it('find nothing in what is right', () => {
      expect(findComposeProblems(model())).toEqual([]);
    });

    it.each([
      [
        'the credentials of somebody else',
        volume('secrets/operator'),
        /not the credentials of order-service/,
      ],
      ['a file that no mount brings', { volumes: [] }, /NATS_NKEY_SEED_FILE names/],
      ['a mount of nothing', volume('nowhere'), /nowhere, which is not there/],
      ['a port for everybody', { ports: [{ target: 3001 }] }, /beyond this machine/],
      ['a variable nobody reads', { environment: { NATS_UURL: 'x' } }, /sets NATS_UURL/],
      [
        'a service that is forgotten beside others',
        { image: 'slipstream/console:1.2.3', environment: urls(3), volumes: [] },
        /lacks AUDIT_SERVICE_URL/,
      ],
      ['an image without a version', { image: 'slipstream/order-service' }, /not pinned/],
    ])('find %s', (_, change, problem) => {
      const problems = findComposeProblems(model(change));
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(problem);
    });
  });
});
