import type { KubeObject } from './kube-object.ts';
import { describeObject } from './kube-object.ts';

interface ModelClass {
  readonly prototype: { validate(): void };
}

/** Packages that carry the schemas of groups which are not Kubernetes' own. */
const PACKAGES: Readonly<Record<string, string>> = {
  'keda.sh': '@kubernetes-models/keda',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'external-secrets.io': '@kubernetes-models/external-secrets',
};

/** Groups whose schemas no package carries; their objects are made by code here. */
const UNKNOWN_GROUPS = new Set(['jetstream.nats.io']);

/** Says what Kubernetes' own schemas refuse in an object, fields that they do not know included. */
export async function findSchemaProblems(object: KubeObject): Promise<string[]> {
  if (UNKNOWN_GROUPS.has(object.apiVersion.split('/')[0] ?? '')) return [];
  const model = await modelOf(object);
  if (!model) return [`${describeObject(object)}: ${object.apiVersion} has no such kind`];
  const watched = watchReads(object);
  try {
    model.prototype.validate.call(watched.value);
  } catch (error) {
    return [`${describeObject(object)}: ${error instanceof Error ? error.message : String(error)}`];
  }
  return watched.unread().map((path) => `${describeObject(object)}: ${path} is no field of it`);
}

async function modelOf({ apiVersion, kind }: KubeObject): Promise<ModelClass | undefined> {
  const [group = ''] = apiVersion.split('/');
  const home = PACKAGES[group] ?? 'kubernetes-models';
  const module = await import(`${home}/${apiVersion}`).catch(() => ({}));
  return (module as Record<string, ModelClass>)[kind];
}

/**
 * The schemas allow fields that they do not describe, as Kubernetes does for the sake of older clients: a misspelt one
 * would be dropped without a word. But a validator reads each field it describes, so the others are those nobody read.
 */
function watchReads(root: object): { readonly value: object; unread(): string[] } {
  const reads = new Map<object, Set<string>>();
  const watch = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const read = reads.get(value) ?? new Set<string>();
    reads.set(value, read);
    return new Proxy(value, {
      get: (target, key) => {
        if (typeof key === 'string') read.add(key);
        return watch(Reflect.get(target, key));
      },
    });
  };
  return { value: watch(root) as object, unread: () => unreadFields(root, reads, '') };
}

function unreadFields(
  value: unknown,
  reads: ReadonlyMap<object, ReadonlySet<string>>,
  path: string,
): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const read = reads.get(value);
  // What the validator took as a whole is free-form.
  if (!read || read.size === 0) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    read.has(key) ? unreadFields(child, reads, `${path}.${key}`) : [`${path}.${key}`],
  );
}
