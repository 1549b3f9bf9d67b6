import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Container, Mount } from './container.ts';

/** Texts of a container, with what exists only there replaced by what stands for it on this machine. */
export class Substitution {
  private readonly pattern: RegExp;

  /** @param replacements by address, `host:port`, or absolute path, which may also begin a longer one */
  constructor(private readonly replacements: ReadonlyMap<string, string>) {
    // The longest first: `/data` is not what `/data/ledger` begins with, if both are known.
    const keys = [...replacements.keys()].toSorted((a, b) => b.length - a.length);
    const whole = keys.map((key) => {
      const text = key.replaceAll('.', '\\.');
      return key.startsWith('/') ? `(?<![\\w./-])${text}(?![\\w.-])` : `(?<![\\w.-])${text}(?!\\d)`;
    });
    // All at once: what has replaced something is not looked at again.
    this.pattern = new RegExp(whole.join('|') || '(?!)', 'g');
  }

  apply(text: string): string {
    return text.replaceAll(this.pattern, (found) => this.replacements.get(found) ?? found);
  }
}

/** Where the mounts of a container lie here. */
export function pathsOf({ mounts }: Container, directory: string): Map<string, string> {
  return new Map(mounts.map(({ path }) => [path, join(directory, path)]));
}

/** Puts there what the container would find. */
export function materialize(mount: Mount, target: string, substitution: Substitution): void {
  if ('source' in mount) return copy(mount.source, target, substitution);
  mkdirSync(target, { recursive: true });
  if (!('files' in mount)) return;
  for (const [name, content] of Object.entries(mount.files)) write(join(target, name), content, substitution);
}

function copy(source: string, target: string, substitution: Substitution): void {
  if (!statSync(source).isDirectory()) return write(target, readFileSync(source, 'utf8'), substitution);
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(source)) copy(join(source, name), join(target, name), substitution);
}

function write(target: string, content: string, substitution: Substitution): void {
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, substitution.apply(content), { mode: 0o600 });
}
