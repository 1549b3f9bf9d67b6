import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readKubeSystem } from './kube-system.ts';
import { Substitution } from './substitution.ts';

const MANIFEST = `
{ apiVersion: v1, kind: ConfigMap, metadata: { name: shared }, data: { HOST_NAME: nats, LEVEL: info } }
---
{ apiVersion: v1, kind: Secret, metadata: { name: keys }, data: { token: c2VjcmV0 } }
---
apiVersion: v1
kind: Service
metadata: { name: nats-headless }
spec: { clusterIP: None, selector: { app: nats }, ports: [{ port: 4222, targetPort: client }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: nats }
spec:
  replicas: 2
  template:
    metadata: { labels: { app: nats } }
    spec:
      containers:
        - name: nats
          image: nats:2.14.2-alpine
          args: [--name, $(NAME), $$(NAME), $(NOBODY)]
          envFrom: [{ configMapRef: { name: shared } }]
          env:
            - { name: LEVEL, value: debug }
            - { name: NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
            - { name: URL, value: 'nats://$(HOST_NAME):4222' }
            - { name: TOKEN, valueFrom: { secretKeyRef: { name: keys, key: token } } }
          ports: [{ name: client, containerPort: 4222 }]
          volumeMounts: [{ name: keys, mountPath: /keys }]
      volumes: [{ name: keys, secret: { secretName: keys } }]
`;

describe('manifests', () => {
  let directory: string;
  const read = (text: string) => {
    const file = join(directory, 'manifest.yaml');
    writeFileSync(file, text);
    return readKubeSystem(file);
  };

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'slipstream-manifest-'));
  });

  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  it('give containers what the kubelet would: variables, arguments, files, names', () => {
    const { containers, addresses } = read(MANIFEST);
    expect(containers.map(({ name }) => name)).toEqual(['nats-0', 'nats-1']);
    expect(containers[1]).toMatchObject({
      args: ['--name', 'nats-1', '$(NAME)', '$(NOBODY)'],
      env: { HOST_NAME: 'nats', LEVEL: 'debug', NAME: 'nats-1', URL: 'nats://nats:4222', TOKEN: 'secret' },
      mounts: [{ path: '/keys', files: { token: 'secret' } }],
    });
    expect(addresses).toEqual({
      'nats-headless:4222': { container: 'nats-0', port: 4222 },
      'nats-0.nats-headless:4222': { container: 'nats-0', port: 4222 },
      'nats-1.nats-headless:4222': { container: 'nats-1', port: 4222 },
    });
  });

  it.each([
    ['a variable that comes from nowhere', 'key: token', 'key: tokn', /TOKEN comes from nowhere/],
    [
      'another entrypoint',
      'args: [--name',
      'command: [sh]\n          args: [--name',
      /replaces the entrypoint/,
    ],
    ['a part of a volume', 'mountPath: /keys', 'mountPath: /keys, subPath: a', /mounts a part/],
    ['a Secret that is not there', 'secretName: keys', 'secretName: other', /no Secret other/],
  ])('with %s are refused', (_, before, after, message) => {
    expect(() => read(MANIFEST.replace(before, after))).toThrow(message);
  });
});

describe('a substitution', () => {
  const substitution = new Substitution(
    new Map([
      ['nats:4222', '127.0.0.1:1'],
      ['nats.b:4222', '127.0.0.1:2'],
      ['/data', '/tmp/data'],
      ['/tmp', '/tmp/x'],
    ]),
  );

  it.each([
    ['nats://nats:4222,nats://nats.b:4222', 'nats://127.0.0.1:1,nats://127.0.0.1:2'],
    ['store_dir: /data/a', 'store_dir: /tmp/data/a'],
    ['http://nats/data nats:42220 /database /var/data my-nats:4222', 'the same'],
  ])('replaces in %s whole addresses and paths alone, once', (before, after) => {
    expect(substitution.apply(before)).toBe(after === 'the same' ? before : after);
  });
});
