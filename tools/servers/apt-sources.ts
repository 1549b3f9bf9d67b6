import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One `deb` entry of the system's package sources. */
export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** The fields that decide whether the archive is trusted, as they stand in the source. */
  readonly trust: Readonly<Record<string, string>>;
}

const TRUST_FIELDS = ['Signed-By', 'Trusted', 'Check-Valid-Until', 'Check-Date'];
const ROLLING_SUITES = ['stable', 'oldstable', 'testing', 'unstable', 'sid', 'devel'];

export function readAptSources(directory = '/etc/apt'): AptSource[] {
  const sources = readOptional(join(directory, 'sources.list'), parseOneLineSources);
  const parts = join(directory, 'sources.list.d');
  for (const file of listOptional(parts)) {
    if (file.endsWith('.list')) sources.push(...readOptional(join(parts, file), parseOneLineSources));
    if (file.endsWith('.sources')) sources.push(...readOptional(join(parts, file), parseDeb822Sources));
  }
  return sources;
}

export function parseDeb822Sources(text: string): AptSource[] {
  const stanzas = text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/);
  return stanzas.flatMap((stanza) => {
    const fields = parseFields(stanza);
    const words = (field: string) => fields.get(field)?.split(/\s+/).filter(Boolean) ?? [];
    if (!words('types').includes('deb') || /^(no|false|off|0)$/i.test(fields.get('enabled') ?? '')) return [];
    const trust = trustFields((field) => fields.get(field.toLowerCase()));
    return [{ uris: words('uris'), suites: words('suites'), components: words('components'), trust }];
  });
}

export function parseOneLineSources(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?([^\s[]+)\s+([^#]*)/.exec(line);
    if (!match) return [];
    const [, options = '', uri = '', rest = ''] = match;
    const [suite, ...components] = rest.split(/\s+/).filter(Boolean);
    if (!suite || uri.startsWith('cdrom:')) return [];
    const pairs = options.split(/\s+/).map((option) => option.split('=', 2));
    const values = new Map(
      pairs.map(([key = '', value = '']) => [key.toLowerCase(), value.replaceAll(',', ' ')]),
    );
    const trust = trustFields((field) => values.get(field.toLowerCase()));
    return [{ uris: [uri], suites: [suite], components, trust }];
  });
}

/**
 * The entries that may be the distribution's own archive, the likeliest first: third parties, too, may name
 * their suites after the release.
 */
export function distributionArchives(sources: readonly AptSource[], codename: string): AptSource[] {
  const suites = [codename, ...ROLLING_SUITES];
  const candidates = sources.filter(
    (source) => source.components.includes('main') && source.suites.some((suite) => suites.includes(suite)),
  );
  const rank = (source: AptSource) => {
    const siblings = sources.filter((other) => other.uris.some((uri) => source.uris.includes(uri)));
    const hasUpdates = siblings.some((other) => other.suites.some((suite) => suite.endsWith('-updates')));
    const signedByArchive = /archive-keyring/.test(source.trust['Signed-By'] ?? '');
    const namedArchive = source.uris.some((uri) => /\/(debian|ubuntu)(-ports)?\/?$/.test(uri));
    return 4 * Number(signedByArchive) + 2 * Number(hasUpdates) + Number(namedArchive);
  };
  return candidates.toSorted((a, b) => rank(b) - rank(a));
}

/** The same archive with another suite, in the deb822 format. */
export function formatSource(source: AptSource, suite: string, components: readonly string[]): string {
  const fields = {
    Types: 'deb',
    URIs: source.uris.join(' '),
    Suites: suite,
    Components: components.join(' '),
    ...source.trust,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}

function parseFields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let name: string | undefined;
  for (const line of stanza.split('\n')) {
    const start = /^([A-Za-z][\w-]*):\s*(.*)$/.exec(line);
    if (start) {
      name = start[1]?.toLowerCase();
      if (name) fields.set(name, start[2]?.trim() ?? '');
    } else if (name && /^\s/.test(line)) {
      // A continued field may hold a whole key: its lines are kept as they are.
      fields.set(name, `${fields.get(name)}\n${line}`);
    }
  }
  return fields;
}

function trustFields(valueOf: (field: string) => string | undefined): Record<string, string> {
  return Object.fromEntries(
    TRUST_FIELDS.flatMap((field) => {
      const value = valueOf(field);
      return value === undefined ? [] : [[field, value]];
    }),
  );
}

function readOptional(file: string, parse: (text: string) => AptSource[]): AptSource[] {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch {
    return [];
  }
}

function listOptional(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch {
    return [];
  }
}
